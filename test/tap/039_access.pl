# The record of who read whose data: every function that reads is in it; who is recorded; and what becomes of it while
# nobody writes, where it finds no room, in a crash, at a shutdown, at a standby and in other databases.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

# nobody looks at the clock: a worker writes because it is woken, and knows when
my $node = make_node('access', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 1h', 'wearables_ingest.access_record = on',
	'wearables_ingest.access_record_interval = 1s', 'wal_level = replica', 'max_wal_senders = 2', 'hot_standby = on', 'restart_after_crash = on', "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(app other);
install($node, $_, qw(alice bob)) for qw(app other);
my $noon = 1_774_785_600;  # 2026-03-29T12:00:00Z
my $event = message_id(1000 * $noon, 'event');
deliver($node, 'app', $event, samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $noon + 60 * $_, 60 + $_ ] } 0 .. 9));
queue_is_empty($node, 'app');
my $event_id = run_sql($node, 'app', 'SELECT event_id FROM wearables.webhook_events');
run_sql($node, 'app', q{
CREATE ROLE app_user NOLOGIN; CREATE ROLE clinician NOLOGIN; CREATE ROLE proxy LOGIN NOINHERIT; CREATE ROLE reader LOGIN; CREATE ROLE auditor LOGIN;
GRANT app_user, clinician TO proxy;
SELECT wearables.grant_access('app_user', 'self'), wearables.grant_access('clinician', 'reader'), wearables.grant_access('reader', 'reader'), wearables.grant_access('auditor', 'auditor')});

sub set_conf
{
	my ($name, $value) = @_;
	$node->append_conf('postgresql.conf', "$name = $value");
	$node->reload;
	return wait_until($node, 'app', "SELECT current_setting('$name') = '$value'", "$name is $value");
}

# What is not written yet; the worker has an hour for it where the test has said so.
sub waiting { my ($database, $server) = @_; return run_sql($server // $node, $database // 'app', 'SELECT waiting FROM wearables_internal.access_state()'); }
sub lost { my ($database) = @_; return run_sql($node, $database // 'app', 'SELECT lost FROM wearables_internal.access_state()'); }
sub drain { my ($database) = @_; return run_sql($node, $database // 'app', 'CALL wearables.drain()'); }
sub recorded
{
	my ($columns) = @_;
	return run_sql($node, 'app', "SELECT * FROM (SELECT $columns FROM wearables.accesses) x ORDER BY x::text COLLATE \"C\"");
}
sub forget { drain(); return run_sql($node, 'app', 'DELETE FROM wearables.accesses'); }

# --- A worker writes, in the time of the setting

is(as_role($node, 'app', 'reader', 'SELECT count(*) FROM wearables.latest(1)')->{out}, 1, 'a reader reads');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables.accesses WHERE (session_role, role, function, user_id, reads) = ('reader', 'reader', 'latest', 1, 1) AND claim IS NULL},
	'a worker that was asleep writes that');
is(as_role($node, 'app', 'auditor', 'SELECT function, first_at = last_at, last_at BETWEEN now() - interval \'5 minutes\' AND now() FROM wearables.accesses')->{out}, 'latest|t|t', 'an auditor sees it');
is_deeply(as_role($node, 'app', 'reader', 'TABLE wearables.accesses')->{states}, ['42501'], 'and the reader does not');
is(waiting(), 0, 'nothing waits');
set_conf('wearables_ingest.access_record_interval', '1h');

# --- Every function that reads a person's data

forget();
my $days = q{date '2026-03-29', date '2026-03-30'};
my $times = q{timestamptz '2026-03-29', timestamptz '2026-03-30'};
# function: its call, and what it is recorded as if not by its own name
my %reads = (
	latest => ['SELECT FROM wearables.latest(1)'],
	nights => ["SELECT FROM wearables.nights(1, $days)"],
	coverage => ["SELECT FROM wearables.coverage(1, 'heartrate', $days)"],
	connection_progress => ['SELECT FROM wearables.connection_progress(1)'],
	export_user => ['SELECT wearables.export_user(1)'],
	samples_page => ["SELECT FROM wearables.samples_page(1, 'heartrate', $times)"],
	timeseries => ["SELECT FROM wearables.timeseries(1, 'heartrate', $times); SELECT FROM wearables.timeseries(1, 'heartrate', $days); SELECT FROM wearables.timeseries(1, 'heartrate', $times, merge => 'best')"],
	timeseries_lttb => ["SELECT FROM wearables.timeseries_lttb(1, 'heartrate', $times)"],
	timeseries_percentiles => ["SELECT FROM wearables.timeseries_percentiles(1, 'heartrate', $times)"],
	timeseries_histogram => ["SELECT FROM wearables.timeseries_histogram(1, 'heartrate', $times, '{70}')"],
	timeseries_time_weighted => ["SELECT FROM wearables.timeseries_time_weighted(1, 'heartrate', $times)"],
	explain_event => ["SELECT FROM wearables.explain_event($event_id)", 'explain_event,normalize'],
	replay_preview => ["SELECT FROM wearables.replay_preview($event_id)", 'normalize,replay_preview'],
	normalize => ["SELECT FROM wearables.normalize($event_id)"],
	my_timeseries => [q{SELECT FROM wearables_api.my_timeseries('heartrate', '2026-03-29', '2026-03-30')}, 'timeseries'],
	my_latest => ['SELECT FROM wearables_api.my_latest()', 'latest'],
	my_nights => [q{SELECT FROM wearables_api.my_nights('2026-03-29', '2026-03-30')}, 'nights'],
	my_samples => [q{SELECT FROM wearables_api.my_samples('heartrate', '2026-03-29', '2026-03-30')}],
	my_connections => ['SELECT FROM wearables_api.my_connections()']);
# What takes a person or an event, or is for one, and shows nothing that is held of a person.
my %others = map { $_ => 1 } qw(
  assign_users unassign_users register_user erase_user requeue_event rebuild_rollups set_connection request_backfill request_missing
  request_streams sync create_vendor_user delete_vendor_user disconnect_provider link_url refresh_user trigger_historical_pull verify_erasure my_sync my_accesses);
my @public = split /\n/, run_sql($node, 'app', q{
SELECT DISTINCT p.proname FROM pg_proc p
WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace) AND p.prokind = 'f'
  AND (p.proname ~ '^my_' OR p.proargnames && '{user_id,user_ids,users,event_id,client_user_id}')
ORDER BY 1});
is_deeply([ sort(keys %reads, keys %others) ], \@public, 'every function that takes a person is known here to read or not to');
for my $function (sort keys %reads)
{
	my ($call, $as) = @{ $reads{$function} };
	run_sql($node, 'app', qq{SET request.jwt.claims = '{"sub": "alice"}'; $call});
	drain();
	is(run_sql($node, 'app', q{SELECT string_agg(function, ',' ORDER BY function) FROM wearables.accesses WHERE user_id = 1 AND claim = 'alice'}), $as // $function, "$function() is recorded");
	forget();
}

# --- Who

my $latest = 'SELECT count(*) FROM wearables.latest(1);';
as_role($node, 'app', 'proxy', qq{BEGIN READ ONLY; SET LOCAL ROLE clinician; SET LOCAL request.jwt.claims = '{"sub": "dr-carol", "role": "clinician"}'; $latest ROLLBACK;
	BEGIN; SET LOCAL ROLE app_user; SET LOCAL request.jwt.claims = '{"sub": "alice"}'; SELECT FROM wearables_api.my_latest(); COMMIT;});
drain();
is(recorded('session_role, role, claim, function'), "proxy|app_user|alice|latest\nproxy|clinician|dr-carol|latest", 'the role of the session and that of SET ROLE, also within a definer, with the claim; of what was rolled back too');
forget();
my $long = 'ä' x 200;
run_sql($node, 'app', qq{SET request.jwt.claims = '{"sub": "$long"}'; $latest SET request.jwt.claims = '{"sub": "a", "sub": "b"}'; $latest SET request.jwt.claims = 'no json'; $latest SET request.jwt.claims = '{"sub": 7}'; $latest});
drain();
is(recorded('claim IS NULL, octet_length(claim), reads'), "f|254|1\nt||3", 'a claim is cut between two characters; what names nobody is none');
is(run_sql($node, 'app', qq{SELECT count(*) FROM wearables.accesses WHERE claim = '@{['ä' x 127]}'}), 1, 'and is what it was so far');
forget();
run_sql($node, 'app', "SELECT wearables_internal.note_access('a' || repeat('ä', 20), 1)");
drain();
is(recorded('function'), 'a' . 'ä' x 15, 'and so is the name of a function, which a reader could give');
forget();
run_sql($node, 'app', q{CREATE ROLE passing LOGIN; SELECT wearables.grant_access('passing', 'reader')});
as_role($node, 'app', 'passing', $latest);
run_sql($node, 'app', 'DROP OWNED BY passing; DROP ROLE passing');
drain();
like(recorded('role'), qr/^unknown \(OID=\d+\)$/, 'a role that is gone before it is written has its number');
for my $try ('SET wearables_ingest.access_record = off', 'ALTER ROLE reader SET wearables_ingest.access_record = off', 'ALTER DATABASE app SET wearables_ingest.access_record = off')
{
	is_deeply(as_role($node, 'app', 'postgres', $try)->{states}, ['55P02'], "not even a superuser can: $try");
}

# --- How often: by statements, whatever the plan

forget();
run_sql($node, 'app', "SELECT (wearables.latest(1)).*; SELECT FROM generate_series(1, 100), wearables.latest(1); DO \$\$ BEGIN FOR i IN 1..9 LOOP PERFORM FROM wearables.nights(1, $days); END LOOP; END \$\$");
run_sql($node, 'app', "EXPLAIN SELECT FROM wearables.nights(7, $days); PREPARE p AS SELECT FROM wearables.latest(7); EXPLAIN EXECUTE p; SELECT FROM wearables.latest(NULL); SELECT FROM wearables.latest(7) LIMIT 0");
my $force = $node->pg_version->major >= 16 ? 'debug_parallel_query' : 'force_parallel_mode';
run_sql($node, 'app', "SET $force = on; SELECT FROM wearables.coverage(2, 'heartrate', $days)");
as_role($node, 'app', 'proxy', qq{SET ROLE clinician; SET request.jwt.claims = '{"sub": "dr-carol"}'; SET $force = on; SELECT FROM wearables.latest(2)});
as_role($node, 'app', 'reader', q{SELECT FROM wearables.timeseries(8, 'no such metric', now(), now())});
as_role($node, 'app', 'reader', 'SELECT 1 / (count(*) - count(*)) FROM wearables.latest(8)');
drain();
is(recorded('function, user_id, reads, role, claim'), join("\n", 'coverage|2|1|postgres|', 'latest|1|2|postgres|', 'latest|2|1|clinician|dr-carol', 'latest|8|1|reader|', 'nights|1|1|postgres|', 'timeseries|8|1|reader|'),
	'a statement counts once, in parallel too; what only plans does not; what fails does');

# --- Two who write, and many who read

forget();
my @sessions = map { IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('app'), '-U', 'reader' ], '<', \("SELECT count(*) FROM wearables.latest(1);\n" x 500), '>', \my $out) } 1 .. 3;
my @drains = map { IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('app') ], '<', \("CALL wearables.drain();\n" x 200), '>', \my $out) } 1 .. 2;
ok((!grep { !$_->finish } @sessions, @drains), 'sessions read while two write the record again and again');
drain();
is(run_sql($node, 'app', 'SELECT sum(reads) FROM wearables.accesses'), 1500, 'every read is recorded, and none twice');

# --- Somebody holds the table for long

forget();
my $holder = $node->background_psql('app');
$holder->query_safe('BEGIN; LOCK TABLE wearables.accesses');
as_role($node, 'app', 'reader', $latest) for 1 .. 2;
drain();
is(waiting(), 1, 'drain() ends, and keeps what it cannot write');
as_role($node, 'app', 'reader', $latest);
$holder->query_safe('COMMIT');
drain();
is(recorded('function, reads, user_id'), 'latest|3|1', 'which is written later, with what was read meanwhile');
is(waiting(), 0, 'and waits no more');

# --- A shutdown keeps it, a crash loses it

run_sql($node, 'other', 'SELECT FROM wearables.latest(2)');
forget();
as_role($node, 'app', 'reader', $latest);
my $before = run_sql($node, 'app', 'SELECT clock_timestamp()');
$node->restart;
is(waiting('other'), 1, 'after a restart, what nobody could write in a database without a worker is there');
my $file = $node->data_dir . '/pg_stat/wearables_ingest.accesses';
ok(-e $file, 'and in a file, as long as nothing of it is written');
my $hba = slurp_file($node->data_dir . '/pg_hba.conf');
$node->stop('immediate');
append_to_file($node->data_dir . '/pg_hba.conf', "nonsense\n");
ok(!$node->start(fail_ok => 1), 'a start that fails once it has memory');
unlink $node->data_dir . '/pg_hba.conf';
append_to_file($node->data_dir . '/pg_hba.conf', $hba);
$node->start;
is(waiting('other'), 1, 'loses nothing of it');
drain();
ok(!-e $file, 'which is gone before');
is(run_sql($node, 'app', qq{SELECT function, session_role, last_at < '$before' FROM wearables.accesses}), 'latest|reader|t', 'and so is what a worker would have written');
drain('other');
is(run_sql($node, 'other', 'SELECT function, user_id FROM wearables.accesses'), 'latest|2', 'each in its own database');
forget();
as_role($node, 'app', 'reader', $latest);
my $killed = $node->background_psql('app');
my $restarts = restart_count($node);
kill 'KILL', $killed->query_safe('SELECT pg_backend_pid()');
wait_until($node, 'app', 'SELECT waiting = 0 FROM wearables_internal.access_state()', 'a crash loses what was not written');
is(restart_count($node), $restarts + 1, 'as it was one');
eval { $killed->quit };
as_role($node, 'app', 'reader', $latest);
drain();
is(recorded('function, reads, user_id'), 'latest|1|1', 'and afterwards it goes on');

# --- No room: a database whose reads nobody writes

forget();
run_sql($node, 'other', 'SELECT count(*) FROM generate_series(1, 7000) u CROSS JOIN LATERAL wearables.latest(u)');
is(waiting('other') + lost('other'), 7000, 'of 7000 people each read is kept or counted');
cmp_ok(lost('other'), '>', 0, 'as there is no room for all');
like(run_sql($node, 'other', q{SELECT what FROM wearables.problems WHERE problem = 'access_lost'}), qr/^\d+ read\(s\) could not be recorded/, 'which is a problem');
run_sql($node, 'app', 'SELECT count(*) FROM generate_series(1, 1000) u CROSS JOIN LATERAL wearables.latest(u)');
is(lost(), 0, 'another database has room');
my $unrecorded = lost('other');
$node->restart;
is(lost('other'), $unrecorded, 'a restart keeps the number');
drain('other');
is(run_sql($node, 'other', q{SELECT sum(reads) FILTER (WHERE function IS NULL), sum(reads) FROM wearables.accesses WHERE function IS NULL OR user_id <> 2 OR last_at > now() - interval '1 minute'}) =~ s/\|.*//r, $unrecorded, 'drain() writes how many are missing, and when');
is(run_sql($node, 'other', q{SELECT count(DISTINCT user_id) FROM wearables.accesses}), 7000 - $unrecorded, 'beside those that are not');
is(waiting('other') . lost('other'), '00', 'and nothing waits');
is(run_sql($node, 'other', q{SELECT count(*) FROM wearables.problems WHERE problem = 'access_lost'}), 1, 'it stays a problem for a week');

# --- Databases and extensions that are gone

run_sql($node, 'postgres', 'CREATE DATABASE gone');
install($node, 'gone');
run_sql($node, 'gone', 'SELECT count(*) FROM generate_series(1, 6144) u CROSS JOIN LATERAL wearables.latest(u)');
run_sql($node, 'postgres', 'DROP DATABASE gone');
as_role($node, 'app', 'reader', $latest);
drain();
run_sql($node, 'other', 'SELECT count(*) FROM generate_series(1, 6000) u CROSS JOIN LATERAL wearables.latest(u)');
is(waiting('other') . '|' . lost('other'), '6000|0', 'a database that is gone takes no room');
run_sql($node, 'other', 'DROP EXTENSION wearables_ingest CASCADE');
install($node, 'other', 'alice');
run_sql($node, 'other', 'SELECT FROM wearables.latest(1)');
drain('other');
is(run_sql($node, 'other', 'SELECT count(*) FROM wearables.accesses'), 1, 'what was read of an extension that is gone is nothing of the new one');

# --- A standby writes when it is promoted

forget();
$node->backup('base');
my $standby = Wearables::Node->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
as_role($standby, 'app', 'reader', $latest) for 1 .. 2;
is(waiting('app', $standby), 1, 'a standby keeps who read there');
$standby->restart;
is(waiting('app', $standby), 1, 'over a restart');
$standby->promote;
run_sql($standby, 'app', 'CALL wearables.drain()');
is(run_sql($standby, 'app', 'SELECT session_role, function, reads FROM wearables.accesses'), 'reader|latest|2', 'and writes it when it is promoted');
$standby->stop;

# --- Off, and without the memory for it

set_conf('wearables_ingest.access_record', 'off');
as_role($node, 'app', 'reader', $latest);
is(waiting(), 0, 'off: nothing is recorded');
$node->append_conf('postgresql.conf', "wearables_ingest.access_record = on\nshared_preload_libraries = ''");
$node->restart;
is(as_role($node, 'app', 'reader', $latest)->{out}, 1, 'without preloading a reader reads');
is(run_sql($node, 'app', q{SELECT problem FROM wearables.problems WHERE problem ~ '^access'}), 'access_record_off', 'and that nothing is recorded is a problem');
drain();
$node->stop;
done_testing();
