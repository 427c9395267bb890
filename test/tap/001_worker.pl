# The worker: where it runs, what wakes it, what it survives, what becomes of events that fail.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Wearables;

my $worker = q{backend_type = 'wearables_ingest worker' AND datname = current_database()};
my $calls = 0;
my $first_ts = (time - 86400) - (time % 60);

my $node = make_node('worker', "wearables_ingest.databases = 'app, later'", 'wearables_ingest.naptime = 3600',
	'wearables_ingest.retry_base = 1', "wearables_ingest.stop_point = 'finished:pause'");
$node->start;
is($node->safe_psql('postgres', q{SELECT current_setting('plpgsql.extra_warnings', true)}), 'none', 'a new session need not load PL/pgSQL');

sub settings
{
	my (@lines) = @_;
	$node->append_conf('postgresql.conf', join "\n", @lines);
	$node->reload;
	return;
}

sub next_id { return message_id((time - 60) * 1000 + 4 * ($calls++ % 250), $calls); }

# Sends one reading; returns its message id.
sub send_reading
{
	my ($database, $value, %option) = @_;
	my $id = next_id();
	my $body = $option{body}
	  // samples_event('u0', 'heartrate', $option{provider} // 'garmin', 'watch', [ $first_ts + 60 * $calls, $value ]);
	is(deliver($node, $database, $id, $body), 'accepted', 'a message is accepted');
	return $id;
}

sub event_is
{
	my ($database, $id, $status, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, $database, "SELECT status = '$status' FROM wearables.webhook_events WHERE message_id = '$id'", $what);
}

sub workers_are
{
	my ($database, $count, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'postgres',
		"SELECT count(*) = $count FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND datname = '$database'", $what);
}

sub worker_pid { return run_sql($node, $_[0], "SELECT min(pid) FROM pg_stat_activity WHERE $worker"); }

# A session that keeps workers in the middle of an event: its job is deleted, and nothing else done.
sub blocker
{
	my ($database) = @_;
	my $session = $node->background_psql($database);
	$session->query_safe('SELECT pg_advisory_lock(4711)');
	return $session;
}

sub waits_in_event
{
	my ($database, $count) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, $database, "SELECT count(*) = $count FROM pg_stat_activity WHERE $worker AND wait_event_type = 'Lock'",
		'in the middle of an event');
}

# Started, woken
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest launcher'}, 'the launcher runs');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}), 0, 'and no worker: no database is there');
$node->safe_psql('postgres', 'CREATE DATABASE app');
workers_are('app', 1, 'a database that is made later gets its worker');
my $pid = worker_pid('app');
install($node, 'app', 'u0');
my $id = send_reading('app', 60);
event_is('app', $id, 'processed', 'a commit wakes the worker, a nap takes an hour; the extension may come later');
is(worker_pid('app'), $pid, 'all by the same worker');
$id = send_reading('app', 61, body => samples_event('late', 'heartrate', 'garmin', 'watch', [ $first_ts, 61 ]));
event_is('app', $id, 'parked', 'an event of an unknown person is parked');
run_sql($node, 'app', "SELECT wearables.register_user('late', 'ext-late')");
event_is('app', $id, 'processed', 'registering the person wakes the worker');
is(run_sql($node, 'app', 'SELECT verdict, workers FROM wearables.health'), 'ok|1', 'health is ok and knows of the worker');

# Partitions
$node->safe_psql('postgres', 'CREATE DATABASE later');
workers_are('later', 1, 'another database gets its own worker');
run_sql($node, 'later', "CREATE EXTENSION wearables_ingest; SELECT wearables.add_endpoint('junction'); SELECT wearables.register_user('u0');
	SELECT wearables.set_secret('junction', 'webhook', 0, '@{[ secret() ]}')");
$id = send_reading('later', 60);
event_is('later', $id, 'processed', 'it works there too');
is(run_sql($node, 'later', q{SELECT count(*) > 3, (SELECT count(*) FROM wearables.webhook_events_default) FROM pg_inherits WHERE inhparent = 'wearables.webhook_events'::regclass}),
	't|0', 'and makes partitions');

# Two at once
settings('wearables_ingest.workers = 2');
workers_are('app', 2, 'a second worker is started by a reload');
my $blocker = blocker('app');
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(next_id(), samples_event($_ % 2 ? 'u0' : 'late', 'heartrate', 'garmin', 'watch', [ $first_ts + 60 * $_, 50 ])) } 1 .. 200), 'COMMIT;');
waits_in_event('app', 2);
is(run_sql($node, 'app', q{SELECT count(DISTINCT leased_by), count(*) FROM wearables.jobs WHERE state = 'running'}), '2|128', 'each of the two holds a batch of its own');
is(run_sql($node, 'app', 'SELECT workers FROM wearables.health'), 2, 'and health counts two');
$blocker->quit;
queue_is_empty($node, 'app', 'both work it off');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE status <> 'processed'}), 0, 'with success');

# Told to stop in the middle
settings('wearables_ingest.workers = 1');
workers_are('app', 1, 'fewer workers by a reload');
$blocker = blocker('app');
$id = send_reading('app', 62);
waits_in_event('app', 1);
$pid = worker_pid('app');
is(run_sql($node, 'app', "SELECT pg_cancel_backend($pid)"), 't', 'a cancel');
wait_until($node, 'app', qq{SELECT state = 'running' AND waits = 1 AND attempt = 0 AND last_sqlstate = '57014' FROM wearables.jobs},
	'puts the job off, and it was no attempt');
is(worker_pid('app'), $pid, 'the worker lives on, and has taken it again');
$blocker->quit;
event_is('app', $id, 'processed', 'and does it');
$blocker = blocker('app');
$id = send_reading('app', 63);
waits_in_event('app', 1);
$pid = worker_pid('app');
is(run_sql($node, 'app', "SELECT pg_terminate_backend($pid)"), 't', 'a worker is terminated');
wait_until($node, 'app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid", 'and goes at once');
wait_until($node, 'app', qq{SELECT state = 'running' AND leased_by <> $pid AND attempt = 0 AND last_sqlstate = '57P01' FROM wearables.jobs},
	'its job is taken back by the next; that was no attempt either');
$blocker->quit;
event_is('app', $id, 'processed', 'which succeeds');
$blocker = blocker('app');
$id = send_reading('app', 64);
waits_in_event('app', 1);
$node->stop('fast');
ok(1, 'a fast shutdown does not wait for the event');
$node->start;
$blocker->{run}->kill_kill;
event_is('app', $id, 'processed', 'after the start it is done');

# Databases and extensions that go
settings('wearables_ingest.naptime = 1');
$node->safe_psql('postgres', 'DROP DATABASE later WITH (FORCE)');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'later'}), 0, 'a database with a worker can be dropped by force');
$node->safe_psql('postgres', 'CREATE DATABASE later');
workers_are('later', 1, 'one of the same name gets a worker again');
settings("wearables_ingest.databases = 'app'");
workers_are('later', 0, 'a database taken from the list loses its worker');
$node->safe_psql('postgres', 'DROP DATABASE later');
workers_are('app', 1, 'the others keep theirs');

sub has_looked
{
	my ($database, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $now = run_sql($node, $database, 'SELECT clock_timestamp()');
	return wait_until($node, $database, "SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND state = 'idle' AND state_change > '$now'", $what);
}
has_looked('app', 'the worker is there');
$pid = worker_pid('app');
run_sql($node, 'app', 'SET client_min_messages = warning; DROP EXTENSION wearables_ingest CASCADE');
has_looked('app', 'without the extension the worker looks, and does nothing');
is(worker_pid('app'), $pid, 'it is the same worker');
install($node, 'app', 'u0');
send_reading('app', 65, provider => $_) for qw(oura garmin);
queue_is_empty($node, 'app', 'created again, the extension works');
is(run_sql($node, 'app', 'SELECT provider, value FROM wearables.samples ORDER BY 1'), "garmin|65\noura|65", 'with the ids of the new tables');
is(worker_pid('app'), $pid, 'still by the same worker');

$blocker = blocker('app');
run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(next_id(), samples_event('u0', 'heartrate', 'garmin', 'watch', [ $first_ts + 60 * $_, 50 ])) } 1 .. 200), 'COMMIT;');
waits_in_event('app', 1);
my $dropper = $node->background_psql('app');
$dropper->query_until(qr/begun/, "\\echo begun\nSET client_min_messages = warning;\nDROP EXTENSION wearables_ingest CASCADE;\n");
wait_until($node, 'app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'DROP EXTENSION%' AND wait_event_type = 'Lock'}, 'DROP EXTENSION waits for the worker');
$blocker->quit;
$dropper->query_safe('SELECT 1');
$dropper->quit;
is(run_sql($node, 'app', q{SELECT count(*) FROM pg_extension WHERE extname = 'wearables_ingest'}), 0, 'and gets its way in the middle of a full queue');
has_looked('app', 'a worker is there');
install($node, 'app', 'u0');
$id = send_reading('app', 66);
event_is('app', $id, 'processed', 'and works when the extension is back');

# Events that fail
my $poison = send_reading('app', 0, body => 'no JSON at all');
my @behind = map { send_reading('app', $_) } 67, 68;
event_is('app', $poison, 'failed', 'a body that is no JSON is a dead letter');
event_is('app', $_, 'processed', 'what came behind it is processed') for @behind;
is(run_sql($node, 'app', q{SELECT attempt, last_error FROM wearables.jobs WHERE state = 'failed'}),
	'1|the body is not JSON (SQLSTATE 22P02)', 'after one attempt, and says why');

run_sql($node, 'app', <<'SQL');
CREATE TABLE public.retries (attempt integer, delay float8);
CREATE FUNCTION public.note_retry() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.retries VALUES (NEW.attempt, extract(epoch FROM NEW.run_at - clock_timestamp()));
  RETURN NULL;
END $$;
CREATE TRIGGER note_retry AFTER UPDATE ON wearables.jobs FOR EACH ROW
  WHEN (OLD.state = 'running' AND NEW.state = 'ready') EXECUTE FUNCTION public.note_retry();
CREATE FUNCTION public.collide() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'somebody was faster';
END $$;
CREATE TRIGGER collide BEFORE INSERT ON wearables.sample_points FOR EACH ROW WHEN (NEW.value = 123) EXECUTE FUNCTION public.collide();
SQL
my $unlucky = send_reading('app', 123);
wait_until($node, 'app', q{SELECT count(*) > 0 FROM wearables.jobs WHERE state = 'ready' AND attempt >= 2}, 'an attempt that fails is followed by another');
is(run_sql($node, 'app', "SELECT e.status, j.last_error FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id) WHERE e.message_id = '$unlucky'"),
	'received|somebody was faster (SQLSTATE P0001)', 'the event waits, the job says why');
$id = send_reading('app', 69);
event_is('app', $id, 'processed', 'others need not wait for it');
run_sql($node, 'app', 'DROP TRIGGER collide ON wearables.sample_points');
event_is('app', $unlucky, 'processed', 'when the cause is gone it succeeds');
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables.samples WHERE value = 123'), 1, 'with its sample');
# delay n is drawn from 1/2 to 1 times 2^(n-1) seconds; the clock runs on a little before it is noted
is(run_sql($node, 'app', 'SELECT count(*) >= 2, bool_and(delay BETWEEN 0.5 * power(2, attempt - 1) - 0.2 AND power(2, attempt - 1)), array_agg(attempt ORDER BY attempt) = array_agg(n ORDER BY n)
	FROM (SELECT attempt, delay, row_number() OVER ()::integer AS n FROM public.retries) r'), 't|t|t', 'each wait is twice as long as the one before, each attempt is counted once');

settings('wearables_ingest.max_attempts = 3', 'wearables_ingest.retry_base = 0');
is($node->poll_query_until('app', q{SELECT current_setting('wearables_ingest.max_attempts') = '3'}), 1, 'with three attempts');
has_looked('app', 'known to the worker');
run_sql($node, 'app', 'CREATE TRIGGER collide BEFORE INSERT ON wearables.sample_points FOR EACH ROW WHEN (NEW.value = 124) EXECUTE FUNCTION public.collide()');
$unlucky = send_reading('app', 124);
event_is('app', $unlucky, 'failed', 'an event that never succeeds is given up');
is(run_sql($node, 'app', "SELECT j.state, j.attempt, j.last_error, e.error FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id) WHERE e.message_id = '$unlucky'"),
	'failed|3|somebody was faster (SQLSTATE P0001)|somebody was faster (SQLSTATE P0001)', 'after the third attempt, with its error');
is(run_sql($node, 'app', q{SELECT verdict FROM wearables.health}), 'warning', 'health warns of dead letters');
run_sql($node, 'app', "DROP TRIGGER collide ON wearables.sample_points;
	SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events WHERE message_id = '$unlucky'");
event_is('app', $unlucky, 'processed', 'requeued, it has its chance again');

# A worker that cannot work lives on, and tries less and less.
my $seen = -s $node->logfile;
$pid = worker_pid('app');
run_sql($node, 'app', 'ALTER TABLE wearables.jobs RENAME TO gone');
sub failures { my $log = substr(slurp_file($node->logfile), $seen); return $log =~ /^\S+ (\d+):(\d+):([\d.]+) .*relation "wearables.jobs" does not exist/mg; }
my @times = ();
for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	@times = failures();
	last if @times >= 9;
	usleep(100_000);
}
cmp_ok(scalar @times, '>=', 9, 'a worker that fails tries again');
my @seconds = map { $times[ 3 * $_ ] * 3600 + $times[ 3 * $_ + 1 ] * 60 + $times[ 3 * $_ + 2 ] } 0 .. 2;
my ($first, $second) = map { ($seconds[ $_ + 1 ] - $seconds[$_]) % 86400 } 0, 1;
cmp_ok($first, '>=', 1, 'but not at once');
cmp_ok($second, '>', $first, 'and then later');
is(run_sql($node, 'app', 'SELECT doing, last_sqlstate, last_error_job FROM wearables_internal.workers()'), 'waiting after errors|42P01|', 'which SQL can see');
run_sql($node, 'app', 'ALTER TABLE wearables.gone RENAME TO jobs');
$id = send_reading('app', 70);
is(run_sql($node, 'app', q{SELECT verdict, reason ~ 'is waiting after errors' FROM wearables.health}), 'warning|t', 'health knows');
$node->reload;
event_is('app', $id, 'processed', 'it works again when it can, a reload ends its rest');
is(worker_pid('app'), $pid, 'all the same worker');
is(run_sql($node, 'app', 'SELECT kind, database, doing, failed > 2, maintenance_sqlstate IS NULL, memory > 100000 FROM wearables.workers'), 'worker|app|idle|t|t|t',
	'the view workers shows it');

settings("wearables_ingest.databases = ''");
workers_are('app', 0, 'no databases, no workers');
like(slurp_file($node->logfile), qr/database system is ready/, 'the log is there');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP|segfault/, 'and nothing in it of a crash');
$node->stop;
done_testing();
