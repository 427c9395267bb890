# Whatever stands in the way of one event, another user's is handled while it stands; and when it is gone, the first one is.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $worker = q{backend_type = 'wearables_ingest worker' AND datname = current_database()};
my $calls = 0;
my $now = time - time % 60;

my $node = make_node('obstacles', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 1', 'wearables_ingest.retry_base = 0',
	'wearables_ingest.max_attempts = 3');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');

# Sends one reading; returns its message id. The values tell the site's triggers which event is meant.
sub send_reading
{
	my ($user, $value, $body) = @_;
	my $n = ++$calls;
	my $id = message_id(($now - 3600) * 1000 + 4 * $n, $n);
	local $ENV{PGOPTIONS} = '-c default_transaction_read_only=off -c standard_conforming_strings=on';
	my $receipt = deliver($node, 'app', $id, $body // samples_event($user, 'heartrate', 'garmin', 'watch', [ $now - 86400 + 60 * $n, $value ]));
	is($receipt, 'accepted', "a message of $user is accepted");
	return $id;
}

sub event_is
{
	my ($id, $status, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'app', "SELECT status = '$status' FROM wearables.webhook_events WHERE message_id = '$id'", $what);
}

my $kBob = 60;
sub bob_is_handled
{
	my ($while) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return event_is(send_reading('bob', $kBob), 'processed', "$while: bob's event is handled");
}

sub job_of
{
	my ($id, $columns) = @_;
	return run_sql($node, 'app', "SELECT $columns FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id, received_at) WHERE e.message_id = '$id'");
}

sub job_comes_to
{
	my ($id, $condition, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'app', "SELECT $condition FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id, received_at) WHERE e.message_id = '$id'", $what);
}

sub worker_pid { return run_sql($node, 'app', "SELECT min(pid) FROM pg_stat_activity WHERE $worker"); }

# A session in which something stays open.
sub held
{
	my (@statements) = @_;
	my $session = $node->background_psql('app');
	$session->query_safe($_) for 'BEGIN', @statements;
	return $session;
}

sub refuse_sql
{
	my ($name, $table, $when, $raise) = @_;
	return "CREATE OR REPLACE FUNCTION public.$name() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $raise; RETURN NEW; END \$\$;
		CREATE TRIGGER $name $table FOR EACH ROW WHEN ($when) EXECUTE FUNCTION public.$name();";
}

# --- Maintenance: the site allows no new tables. There is no partition yet.
run_sql($node, 'app', q{CREATE FUNCTION public.no_tables() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF coalesce(current_query(), '') !~ 'EXTENSION' THEN RAISE 'no tables'; END IF; END $$;
	CREATE EVENT TRIGGER no_tables ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.no_tables();
	CREATE EXTENSION wearables_ingest; SELECT wearables.add_endpoint('junction'); SELECT wearables.register_user('alice', 'ext-alice'), wearables.register_user('bob', 'ext-bob');
	SELECT wearables.set_secret('junction', 'webhook', 0, } . literal(secret()) . ')');
bob_is_handled('the site allows no new tables');
my $pid = worker_pid();
wait_until($node, 'app', q{SELECT maintenance_sqlstate = 'P0001' FROM wearables.workers}, 'maintenance has failed');
is(run_sql($node, 'app', 'SELECT verdict, reason FROM wearables.health'),
	q{warning|maintenance fails with SQLSTATE P0001; partitions of webhook_events are not created; see the server log: SELECT wearables.make_event_partitions()}, 'and health says so');
bob_is_handled('maintenance has failed');
is(worker_pid(), $pid, 'by the same worker');
run_sql($node, 'app', 'DROP EVENT TRIGGER no_tables');
make_partitions($node, 'app');

# --- A poison job: what fails cannot be marked
my $garbage = samples_event('alice', 'heartrate', 'garmin', 'watch') =~ s/\[\]/[{]/r;
run_sql($node, 'app', refuse_sql('no_marks', 'BEFORE UPDATE ON wearables.webhook_events', q{NEW.status = 'failed'}, q{RAISE 'not here'}));
my $poison = send_reading('alice', 0, $garbage);
bob_is_handled('an event cannot be marked as failed');
job_comes_to($poison, q{state = 'failed' AND last_error ~ 'SQLSTATE 22P02.; the event could not be updated: not here .SQLSTATE P0001.'}, 'the job is a dead letter that says both');
run_sql($node, 'app', 'DROP TRIGGER no_marks ON wearables.webhook_events');
is(run_sql($node, 'app', q{SELECT wearables.retry_failed(sqlstate => '22P02')}), 1, 'it is retried');
event_is($poison, 'failed', 'and marked, when it can be');

run_sql($node, 'app', refuse_sql('no_handling', 'BEFORE UPDATE ON wearables.webhook_events', "NEW.external_user_id = 'ext-alice'", q{RAISE 'not her'}));
$poison = send_reading('alice', 61);
bob_is_handled(q{alice's events cannot be marked at all});
job_comes_to($poison, q{state = 'failed' AND attempt = 3}, 'her job is a dead letter after three attempts');
run_sql($node, 'app', 'DROP TRIGGER no_handling ON wearables.webhook_events; SELECT wearables.retry_failed()');
event_is($poison, 'processed', 'and processed when the cause is gone');

# Not even the job
run_sql($node, 'app', refuse_sql('no_jobs', 'BEFORE UPDATE ON wearables.jobs', q{OLD.state = 'running' AND NEW.last_error IS NOT NULL}, q{RAISE 'no job'}));
run_sql($node, 'app', refuse_sql('no_samples', 'BEFORE INSERT ON wearables.sample_points', 'NEW.value = 62', q{RAISE 'no sample'}));
$poison = send_reading('alice', 62);
bob_is_handled('the failure of a job cannot be recorded');
is(worker_pid(), $pid, 'by the same worker');
run_sql($node, 'app', 'DROP TRIGGER no_samples ON wearables.sample_points; DROP TRIGGER no_jobs ON wearables.jobs');
event_is($poison, 'processed', 'it is taken up again');

# At the commit
run_sql($node, 'app', refuse_sql('late', 'AFTER INSERT ON wearables.sample_points', 'NEW.value = 63', q{RAISE 'too late'}) =~ s/CREATE TRIGGER late (.*?) FOR EACH ROW/CREATE CONSTRAINT TRIGGER late $1 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW/r);
$poison = send_reading('alice', 63);
bob_is_handled('a deferred trigger refuses an event');
job_comes_to($poison, q{state = 'failed' AND attempt = 3 AND last_error ~ 'too late'}, 'which is a dead letter after three attempts');
run_sql($node, 'app', 'DROP TRIGGER late ON wearables.sample_points; SELECT wearables.retry_failed()');
event_is($poison, 'processed', 'and processed when it is gone');
run_sql($node, 'app', refuse_sql('loud', 'AFTER INSERT ON wearables.sample_points', 'NEW.value = 64', q{PERFORM pg_notify('x', repeat('x', 8000))}));
$poison = send_reading('alice', 64);
bob_is_handled('a NOTIFY refuses an event');
run_sql($node, 'app', 'DROP TRIGGER loud ON wearables.sample_points');
wait_until($node, 'app', "SELECT count(*) = 0 FROM wearables.jobs WHERE state <> 'failed'", 'it comes to an end, too');
run_sql($node, 'app', 'SELECT wearables.retry_failed()');
event_is($poison, 'processed', 'and is processed when that is gone');

# --- A publication of all tables
run_sql($node, 'app', 'SET client_min_messages = error; CREATE PUBLICATION everything FOR ALL TABLES');
bob_is_handled('a publication holds all tables');
run_sql($node, 'app', 'UPDATE wearables.mappings SET enabled = enabled WHERE mapping_id = 1; UPDATE wearables.known_fields SET note = note');
cmp_ok(make_partitions($node, 'app', "'28 days'"), '>', 0, 'the rest works, too');
run_sql($node, 'app', 'UPDATE wearables.webhook_events SET received_at = received_at; DROP PUBLICATION everything');

# --- A reader of the default partition
my $holder = held('SELECT count(*) FROM wearables.webhook_events');
my ($ok, $out, $err) = $node->psql('app', q{SET statement_timeout = '20s'; SELECT wearables.make_event_partitions('60 days')}, on_error_stop => 0);
like($err, qr/ERROR:  could not lock wearables.webhook_events to create a partition/, 'no partition is made behind a reader');
bob_is_handled('an analyst reads all events');
$holder->quit;
cmp_ok(make_partitions($node, 'app', "'60 days'"), '>', 0, 'and when he is gone, they are made');

# --- Deliveries that fill the default partition, and readers of it, while it gives its rows to a new one
$node->safe_psql('postgres', 'CREATE DATABASE filling');
run_sql($node, 'filling', q{CREATE EXTENSION wearables_ingest; SELECT wearables.add_endpoint('junction'), wearables.set_secret('junction', 'webhook', 0, } . literal(secret()) . q{);
	CREATE TABLE stop (); CREATE TABLE seen (lost bigint); CREATE SEQUENCE n;
	CREATE PROCEDURE send() LANGUAGE plpgsql AS $$
	BEGIN
	  WHILE (SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'stop'::regclass AND attname = 'now') LOOP
	    PERFORM wearables.receive(wearables.signed_headers('message-' || nextval('n'), now(), '{}', } . literal(secret()) . q{), '{}');
	    COMMIT;
	  END LOOP;
	END $$;
	CREATE PROCEDURE look() LANGUAGE plpgsql AS $$
	DECLARE before bigint := 0; found bigint;
	BEGIN
	  WHILE (SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 'stop'::regclass AND attname = 'now') LOOP
	    SELECT count(*) INTO found FROM wearables.webhook_events;
	    IF found < before THEN INSERT INTO seen VALUES (before - found); END IF;
	    before := found;
	    COMMIT;
	  END LOOP;
	END $$});
my @busy = map { IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('filling'), '-c', "CALL $_()" ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null') } qw(send send send look look);
$node->poll_query_until('filling', 'SELECT last_value > 100 FROM n');
my ($tries, $filled) = (0, '');
$filled = as_role($node, 'filling', $ENV{PGUSER} // scalar getpwuid($<), 'SELECT wearables.make_event_partitions(most_moved => NULL)')->{out} while $filled !~ /[1-9]/ && ++$tries < 20;
cmp_ok($tries, '<', 20, "partitions are made while deliveries come ($tries tries)");
run_sql($node, 'filling', 'ALTER TABLE stop ADD COLUMN now integer');
is(scalar(grep { !$_->finish } @busy), 0, 'senders and readers end well');
is(run_sql($node, 'filling', 'SELECT count(*) FROM seen'), 0, 'and no reader missed an event meanwhile');
is(run_sql($node, 'filling', 'SELECT count(*) FROM wearables.webhook_events_default'), 0, 'each is in its partition');

# --- Transactions that stay open
$holder = held(q{SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE external_user_id = 'ext-alice'});
my $waits = send_reading('alice', 65);
bob_is_handled(q{alice's events are replayed in a transaction that stays open});
job_comes_to($waits, q{waits > 0 AND attempt = 0 AND last_sqlstate = '55P03'}, 'hers waits, and that is no attempt');
$holder->quit;
event_is($waits, 'processed', 'it is handled when the transaction has ended');

# Hers are many: they must not take his time one by one. The log tells of each wait that is longer than deadlock_timeout.
settings('log_lock_waits = on', "deadlock_timeout = '20ms'");
$holder = held(q{SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE external_user_id = 'ext-alice'});
my $from = -s $node->logfile;
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(message_id(($now - 5000) * 1000 + 4 * $_, "many $_"), samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now - 5 * 86400 + 60 * $_, 60 ])) } 1 .. 400), 'COMMIT;');
wait_until($node, 'app', 'SELECT count(*) = 400 FROM wearables.jobs WHERE waits > 0 AND attempt = 0', 'four hundred of her events are put off');
bob_is_handled('they wait');
my $long_waits = () = substr(slurp_file($node->logfile), $from) =~ /still waiting for/g;
cmp_ok($long_waits, '<=', 40, "few of them were waited for ($long_waits)");
$holder->quit;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM wearables.jobs WHERE state <> 'failed'}, 'and all are handled afterwards');
settings('log_lock_waits = off', "deadlock_timeout = '1s'");

$holder = held(q{SELECT wearables.register_user('carol', 'ext-carol')});
$waits = send_reading('dave', 66);
bob_is_handled('a registration is not committed');
# it waited
event_is($waits, 'parked', 'the event of an unknown user is parked meanwhile');
is(run_sql($node, 'app', q{SELECT wearables.register_user('erin', 'ext-erin') > 0}), 't', 'somebody else is registered meanwhile');
$holder->quit;

for my $lock ('wearables.sample_points IN SHARE MODE', 'wearables.summaries IN ACCESS EXCLUSIVE MODE', 'wearables.quarantine IN ACCESS EXCLUSIVE MODE')
{
	$holder = held("LOCK TABLE $lock");
	$waits = $lock =~ /summaries/
	  ? send_reading('alice', 0, document_event('alice', 'sleep', 'oura', 'ring', { id => "n$calls", calendar_date => '2024-05-01', bedtime_stop => '2024-05-01T05:00:00Z', hr_lowest => 48 }))
	  : $lock =~ /quarantine/ ? send_reading('alice', -1) : send_reading('alice', 67);
	job_comes_to($waits, q{waits > 1 AND attempt = 0}, "$lock is locked: what needs it waits");
	bob_is_handled("$lock is locked") unless $lock =~ /sample_points/;
	$holder->quit;
	event_is($waits, 'processed', 'and is handled afterwards');
}

# --- Trouble of the environment is nobody's attempt
my @codes = qw(53000 53100 53200 53300 58000 58030 40001 40P01 55P03 57P01 57P03 25006);
run_sql($node, 'app', join '', map { refuse_sql("trouble$_", 'BEFORE INSERT ON wearables.sample_points', 'NEW.value = ' . (100 + $_), "RAISE 'trouble' USING ERRCODE = '$codes[$_]'") } 0 .. $#codes);
my %waiting = map { $codes[$_] => send_reading('alice', 100 + $_) } 0 .. $#codes;
job_comes_to($waiting{$_}, "state = 'ready' AND waits > 3 AND attempt = 0 AND last_sqlstate = '$_'", "after SQLSTATE $_ the job waits, and that is no attempt") for @codes;
bob_is_handled('others wait for the environment');
is(run_sql($node, 'app', q{SELECT put_off, put_off_since IS NOT NULL FROM wearables.queue WHERE state = 'ready'}), @codes . '|t', 'the view queue counts them');
run_sql($node, 'app', q{UPDATE wearables.jobs SET waiting_since = now() - interval '11 minutes' WHERE waiting_since IS NOT NULL});
like(run_sql($node, 'app', 'SELECT verdict, reason FROM wearables.health'), qr/^failing\|12 job\(s\) have been put off for more than 10 minutes by a cause outside of them, the oldest with SQLSTATE/, 'what waits for more than ten minutes, health shows');
run_sql($node, 'app', join '', map { "DROP TRIGGER trouble$_ ON wearables.sample_points;" } 0 .. $#codes);
event_is($_, 'processed', 'when it is over, they are handled') for values %waiting;

# --- The schema
run_sql($node, 'app', 'ALTER TABLE wearables.sample_points RENAME TO elsewhere');
$waits = send_reading('alice', 68);
job_comes_to($waits, q{waits > 1 AND attempt = 0 AND last_sqlstate = '42P01'}, 'a table is not there: the job waits');
run_sql($node, 'app', 'ALTER TABLE wearables.elsewhere RENAME TO sample_points');
event_is($waits, 'processed', 'until it is');
run_sql($node, 'app', refuse_sql('missing', 'BEFORE INSERT ON wearables.sample_points', 'NEW.value = 69', 'PERFORM public.nowhere()'));
$waits = send_reading('alice', 69);
job_comes_to($waits, 'waits > 0', 'a function is not there: the job waits');
bob_is_handled('a function is missing for alice alone');
job_comes_to($waits, q{state = 'failed' AND attempt = 3 AND last_sqlstate = '42883'}, 'where others succeed, it is an attempt');
run_sql($node, 'app', 'DROP TRIGGER missing ON wearables.sample_points; SELECT wearables.retry_failed()');
event_is($waits, 'processed', 'retried, it is handled');
run_sql($node, 'app', 'BEGIN; ALTER FUNCTION wearables_internal.schema_version() RENAME TO hidden;
	CREATE FUNCTION wearables_internal.schema_version() RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN 0; COMMIT');
$waits = send_reading('bob', 70);
wait_until($node, 'app', q{SELECT doing = 'waiting for ALTER EXTENSION UPDATE' FROM wearables_internal.workers()}, 'the worker waits for a schema that fits its library');
is(job_of($waits, 'state, attempt, waits'), 'ready|0|0', 'and touches no job');
run_sql($node, 'app', 'BEGIN; DROP FUNCTION wearables_internal.schema_version(); ALTER FUNCTION wearables_internal.hidden() RENAME TO schema_version; COMMIT');
event_is($waits, 'processed', 'when it fits, the work goes on');

# --- A slow event under statement_timeout, as pg_cron would call it
settings("wearables_ingest.databases = ''");
wait_until($node, 'app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE $worker", 'without workers');
run_sql($node, 'app', refuse_sql('slow', 'BEFORE INSERT ON wearables.sample_points', 'NEW.value = 71', 'PERFORM pg_sleep(600)'));
my $slow = send_reading('alice', 71);
my $behind = send_reading('bob', 72);
($ok, $out, $err) = $node->psql('app', q{SET statement_timeout = '300ms'; CALL wearables.drain()}, on_error_stop => 0);
like($err, qr/canceling statement due to statement timeout/, 'a slow event ends the call');
is(job_of($slow, 'state, attempt, last_sqlstate'), 'ready|1|57014', 'that was its attempt');
is(job_of($behind, 'state, attempt, waits'), 'ready|0|0', 'and none of the others');
$node->psql('app', q{SET statement_timeout = '300ms'; CALL wearables.drain()}, on_error_stop => 0) for 1 .. 4;
is(run_sql($node, 'app', "SELECT status FROM wearables.webhook_events WHERE message_id = '$behind'"), 'processed', 'what is behind it is handled');
is(job_of($slow, 'state, attempt'), 'failed|3', 'and it is a dead letter after three attempts');
run_sql($node, 'app', 'DROP TRIGGER slow ON wearables.sample_points; SELECT wearables.retry_failed(); CALL wearables.drain()');
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables.jobs WHERE last_sqlstate IS DISTINCT FROM \'22P02\''), 0, 'retried, it is handled');

# --- What the site has set for the database
run_sql($node, 'app', q{ALTER DATABASE app SET lock_timeout = '1s'; ALTER DATABASE app SET statement_timeout = '1s'; ALTER DATABASE app SET idle_in_transaction_session_timeout = '100ms';
	ALTER DATABASE app SET default_transaction_read_only = on; ALTER DATABASE app SET default_transaction_isolation = 'serializable'; ALTER DATABASE app SET DateStyle = 'SQL, DMY';
	ALTER DATABASE app SET IntervalStyle = 'sql_standard'; ALTER DATABASE app SET TimeZone = 'Asia/Kolkata'; ALTER DATABASE app SET standard_conforming_strings = off;
	ALTER DATABASE app SET search_path = pg_temp; ALTER DATABASE app SET enable_indexscan = off; ALTER DATABASE app SET session_replication_role = 'replica'; ALTER DATABASE app SET row_security = off});
my $read = send_reading('alice', 73);
run_sql($node, 'app', 'CALL wearables.drain()');
is(run_sql($node, 'app', "SELECT status FROM wearables.webhook_events WHERE message_id = '$read'"), 'processed', 'drain() works under the settings of the site');
settings("wearables_ingest.databases = 'app'");
bob_is_handled('the site has settings of its own');
is(run_sql($node, 'app', 'SELECT last_sqlstate IS NULL FROM wearables.workers'), 't', 'without an error of the worker');
$node->safe_psql('postgres', 'ALTER DATABASE app RESET ALL');

# --- Paused
run_sql($node, 'app', q{SELECT wearables.pause_queue(reason => 'maintenance window')});
$waits = send_reading('bob', 74);
wait_until($node, 'app', q{SELECT doing = 'paused' FROM wearables.workers}, 'a paused queue is left alone');
like(run_sql($node, 'app', 'SELECT verdict, reason FROM wearables.health'), qr/^failing\|the queue is paused for .*: maintenance window; resume it: SELECT wearables.resume_queue/, 'health says so');
is(job_of($waits, 'state, attempt'), 'ready|0', 'nothing is begun');
run_sql($node, 'app', 'SELECT wearables.resume_queue()');
event_is($waits, 'processed', 'resumed, it is worked off');

# --- A long queue: lost leases are taken back before it is empty
run_sql($node, 'app', refuse_sql('dawdle', 'BEFORE INSERT ON wearables.sample_points', 'NEW.value = 75', 'PERFORM pg_sleep(0.01)'));
my $lost = send_reading('alice', 76);
event_is($lost, 'processed', 'an event');
run_sql($node, 'app', q{SELECT wearables.pause_queue()});
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(message_id(($now - 7200) * 1000 + 4 * $_, "long $_"), samples_event('bob', 'heartrate', 'garmin', 'watch', [ $now - 2 * 86400 + 60 * $_, 75 ])) } 1 .. 1500), 'COMMIT;');
run_sql($node, 'app', qq{SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events WHERE message_id = '$lost';
	UPDATE wearables.jobs j SET state = 'running', leased_by = 2147483647, leased_at = clock_timestamp(), leased_until = clock_timestamp() + interval '1 hour', last_error = 'lost'
	FROM wearables.webhook_events e WHERE e.event_id = j.event_id AND e.message_id = '$lost'; SELECT wearables.resume_queue()});
job_comes_to($lost, q{state = 'ready' AND last_sqlstate = '57P01' AND (SELECT count(*) > 100 FROM wearables.jobs WHERE state = 'ready')},
	'a lost job is taken back while the queue is long');
run_sql($node, 'app', 'DROP TRIGGER dawdle ON wearables.sample_points');
queue_is_empty($node, 'app', 'the queue is worked off');

# --- A snapshot that is held: rows of jobs that are done stay, and must not be read again and again
$holder = held('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ', 'SELECT 1');
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(message_id(($now - 9000) * 1000 + 4 * $_, "dead $_"), '{"event_type":"x"}') } 1 .. 3000), 'COMMIT;');
queue_is_empty($node, 'app', '3,000 events leave dead rows behind');
wait_until($node, 'app', q{SELECT doing = 'idle' FROM wearables.workers}, 'all is done');
my $kRead = q{SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_ready'};
my $before = run_sql($node, 'app', $kRead);
run_sql($node, 'app', join '', map { receive_sql(message_id(($now - 9000) * 1000 + 20000 + 4 * $_, "then $_"), '{"event_type":"x"}') } 1 .. 200);
queue_is_empty($node, 'app', '200 more, one by one');
wait_until($node, 'app', qq{$kRead AND idx_tup_read > $before} =~ s/SELECT idx_tup_read/SELECT count(*) > 0/r, 'the statistics come');
my $each = (run_sql($node, 'app', $kRead) - $before) / 200;
note sprintf '%.0f index entries read for each event, with %d dead rows', $each, run_sql($node, 'app', q{SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'jobs'});
cmp_ok($each, '<', 3000, 'a claim does not read what is dead');
$holder->quit;

# --- Plans that were made while tables were empty
run_sql($node, 'app', 'SET client_min_messages = error; DROP EXTENSION wearables_ingest CASCADE');
install($node, 'app', 'alice', 'bob');
run_sql($node, 'app', 'VACUUM ANALYZE');
bob_is_handled('all tables were analyzed when they were empty');
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(message_id(($now - 9000) * 1000 + 4 * $_, "plan $_"), samples_event('bob', 'heartrate', 'garmin', 'watch', [ $now - 3 * 86400 + 60 * $_, 75 ])) } 1 .. 500), 'COMMIT;');
queue_is_empty($node, 'app', '500 events after it');
is(run_sql($node, 'app', q{SELECT coalesce(string_agg(relname, ' '), '') FROM pg_stat_user_tables WHERE schemaname = 'wearables' AND seq_tup_read > 500 * 10
	AND relname ~ '^(jobs|deliveries|sample_points|summaries|parked_events|webhook_events)'}), '', 'no table was read again and again');
my $seen = -s $node->logfile;
run_sql($node, 'app', q{DO $$ DECLARE part text := (SELECT tableoid::regclass FROM wearables.webhook_events LIMIT 1); BEGIN
	EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', part, split_part(part, '.', 2) || '_event_id'); END $$});
bob_is_handled('an index is missing');
like(substr(slurp_file($node->logfile), $seen), qr/has to scan all of wearables.webhook_events_\d+, because an index is missing/, 'the log says so');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|segfault/, 'and nothing in it of a crash');
$node->stop;
done_testing();

sub settings
{
	my (@lines) = @_;
	$node->append_conf('postgresql.conf', join "\n", @lines);
	$node->reload;
	return;
}
