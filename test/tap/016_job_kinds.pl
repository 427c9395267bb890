# Kinds of jobs that are about no event: limits, subjects, and both shapes of a handler under errors, kills and terminations.
# The kinds are those of src/pg/queue/test_job.cpp; both have a limit of two, and two attempts.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Wearables;

my $node = make_node('job_kinds', 'restart_after_crash = on', "wearables_ingest.databases = ''", 'wearables_ingest.retry_base = 0');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'alice');
run_sql($node, 'app', "ALTER TYPE wearables.job_kind ADD VALUE 'test_work'");
run_sql($node, 'app', "ALTER TYPE wearables.job_kind ADD VALUE 'test_outside'; CREATE TABLE public.test_job_log (job_id bigint, step text);");
my $base = time - 86400;
my $made = 0;

# --- Helpers

sub enqueue
{
	my ($kind, %option) = @_;
	my $given = join ', ', map { "$_ => " . literal($option{$_}) } sort keys %option;
	return run_sql($node, 'app', sprintf q{SELECT wearables_internal.enqueue_job('%s', '%s:%d'%s)}, $kind, $kind, $made++, $given && ", $given");
}

sub receive_event
{
	my $id = message_id(1000 * $base + 4 * $made, $made);
	run_sql($node, 'app', receive_sql($id, samples_event('alice', 'heartrate', 'garmin', 'watch', [ $base + 60 * $made++, 60 ])));
	return $id;
}

sub drain { return run_sql($node, 'app', 'CALL wearables.drain()'); }
sub due_now { return run_sql($node, 'app', q{UPDATE wearables.jobs SET run_at = clock_timestamp() WHERE state = 'ready'}); }

# "state attempt waits suspect", or nothing where the job is gone
sub job_is
{
	my ($job, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(run_sql($node, 'app', "SELECT concat_ws(' ', state, attempt, waits, suspect) FROM wearables.jobs WHERE job_id = $job"), $expected, $what);
}

sub steps_are
{
	my ($job, $expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(run_sql($node, 'app', "SELECT string_agg(step, ' ') FROM public.test_job_log WHERE job_id = $job"), $expected, $what);
}

# A session that drains, and stops at a point.
sub start_drain
{
	my ($name, $stop) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app') . " application_name=$name", '-c', "SET wearables_ingest.stop_point = '$stop'", '-c', 'CALL wearables.drain()' ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
}

sub stands_at_stop
{
	my ($name, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'app', qq{SELECT count(*) = 1 FROM pg_stat_activity a JOIN pg_locks l USING (pid)
		WHERE a.application_name = '$name' AND l.locktype = 'advisory' AND l.objid = 4711 AND NOT l.granted}, $what // "$name stands at its stop");
}

my $holder = $node->background_psql('app');
sub hold { return $holder->query_safe('SELECT pg_advisory_lock(4711)'); }
sub let_go { return $holder->query_safe('SELECT pg_advisory_unlock(4711)'); }

# --- Both shapes, where nothing happens

my ($work, $outside) = (enqueue('test_work'), enqueue('test_outside'));
drain();
steps_are($work, 'work', 'a job of one transaction is worked on');
steps_are($outside, 'begin end', 'so is one with work outside');
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables.jobs'), 0, 'and both are gone');

# --- A limit of two

my @running = map { enqueue('test_work') } 1 .. 5;
hold();
my @sessions = map { start_drain("limit$_", 'test work:pause') } 1 .. 2;
stands_at_stop("limit$_") for 1 .. 2;
my $event = receive_event();
drain();
is(run_sql($node, 'app', q{SELECT string_agg(state::text, ' ' ORDER BY job_id) FROM wearables.jobs}), 'running running ready ready ready', 'two run, and a third session begins none');
is(run_sql($node, 'app', "SELECT status FROM wearables.webhook_events WHERE message_id = '$event'"), 'processed', 'but it handles the event behind them');
run_sql($node, 'app', "INSERT INTO wearables.jobs (kind, dedupe_key) SELECT 'test_work', 'many:' || i FROM generate_series(1, 5000) i; ANALYZE wearables.jobs");
$event = receive_event();
my $kRead = q{SELECT pg_stat_force_next_flush(); SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE relname = 'jobs'};
my $before = (split /\n/, run_sql($node, 'app', $kRead))[-1];
drain();
my $read = (split /\n/, run_sql($node, 'app', $kRead))[-1] - $before;
cmp_ok($read, '<', 500, "a claim does not read the 5,000 that wait at the limit ($read index entries)");
is(run_sql($node, 'app', "SELECT status FROM wearables.webhook_events WHERE message_id = '$event'"), 'processed', 'another event is handled beside them');
run_sql($node, 'app', q{DELETE FROM wearables.jobs WHERE dedupe_key LIKE 'many:%'});
let_go();
$_->finish for @sessions;
drain();
is(run_sql($node, 'app', sprintf 'SELECT count(DISTINCT job_id) || \' of \' || count(*) FROM public.test_job_log WHERE job_id IN (%s)', join ',', @running), '5 of 5', 'each was worked on once');

# --- One of a subject at a time

my ($first, $second, $other) = (enqueue('test_outside', subject => 'alice'), enqueue('test_outside', subject => 'alice'), enqueue('test_outside', subject => 'bob'));
hold();
my $session = start_drain('subject', 'test outside:pause');
stands_at_stop('subject', 'the first of a subject is outside');
drain();
job_is($second, 'ready 0 0 f', 'the second waits');
steps_are($other, 'begin end', 'that of another subject does not');
job_is($first, 'running 0 0 f', 'the first runs under its lease');
is(run_sql($node, 'app', q{SELECT concat_ws(' ', a.backend_xid, a.backend_xmin, count(l.*)) FROM pg_stat_activity a
	LEFT JOIN pg_locks l ON l.pid = a.pid AND l.locktype NOT IN ('virtualxid', 'advisory') WHERE a.application_name = 'subject' GROUP BY a.pid, a.backend_xid, a.backend_xmin}),
	'0', 'without transaction id, snapshot or lock');
my $later = enqueue('test_outside', subject => 'alice', run_at => '2100-01-01');
drain();
let_go();
$session->finish;
drain();
steps_are($second, 'begin end', 'the second has its turn as soon as the first has ended');
job_is($later, 'ready 0 0 f', 'one that is due later is not brought forward');

# --- It comes again, is put off, fails

my $again = enqueue('test_outside', argument => '{"again": "0.05"}');
drain();
usleep(100_000);
drain();
steps_are($again, 'begin end begin end', 'a job may come again');
$again = enqueue('test_outside', argument => '{"again": "3600"}');
drain();
job_is($again, 'ready 0 0 f', 'later, and it was no attempt');
my $away = enqueue('test_outside', argument => '{"fail": "08006"}');
drain();
job_is($away, 'ready 0 1 f', 'what the kind puts off is no attempt');
my $broken = enqueue('test_outside', argument => '{"fail": "P0001"}');
for (1 .. 3) { drain(); }
job_is($broken, 'failed 2 0 f', 'what is none of these has as many attempts as the kind says');
is(run_sql($node, 'app', "SELECT step FROM public.test_job_log WHERE job_id = $broken ORDER BY step DESC LIMIT 1"), 'give up', 'and is noted where the kind notes it');
is(run_sql($node, 'app', q{SELECT wearables.retry_failed('test_outside')}), 1, 'it is given another chance');
run_sql($node, 'app', 'DELETE FROM wearables.jobs');

# --- An error, a kill, a termination at each point

for my $case ([ 'test_work', 'begin' ], [ 'test_work', 'finished' ], [ 'test_work', 'test work' ], [ 'test_work', 'before commit' ],
	[ 'test_outside', 'begin' ], [ 'test_outside', 'test outside' ], [ 'test_outside', 'test end' ], [ 'test_outside', 'before commit' ])
{
	my ($kind, $point) = @$case;
	my $steps = $kind eq 'test_work' ? 'work' : 'begin end';
	my $begun = $point eq 'test outside' || $point eq 'test end' || $kind eq 'test_outside' && $point eq 'before commit';

	my $job = enqueue($kind);
	start_drain('errs', "$point:error")->finish;
	due_now();
	drain();
	steps_are($job, ($begun ? 'begin ' : '') . $steps, "$kind, an error at $point: it is done at the next attempt");

	$job = enqueue($kind);
	$event = receive_event();
	my $crashes = restart_count($node);
	start_drain('dies', "$point:kill")->finish;
	usleep(50_000) until restart_count($node) > $crashes && $node->psql('app', 'SELECT 1') == 0;
	drain();
	due_now();
	drain();
	is(run_sql($node, 'app', "SELECT count(*) FROM wearables.jobs WHERE job_id = $job"), 0, "$kind, a kill at $point: it is done all the same");
	is(run_sql($node, 'app', "SELECT count(*) FROM public.test_job_log WHERE job_id = $job AND step IN ('work', 'end')"), 1, '- once');
	is(run_sql($node, 'app', "SELECT status FROM wearables.webhook_events WHERE message_id = '$event'"), 'processed', '- and the event beside it');

	$holder->quit;
	$holder = $node->background_psql('app');
	$job = enqueue($kind);
	hold();
	my $ends = start_drain('ends', "$point:pause");
	stands_at_stop('ends', '- it stands there');
	run_sql($node, 'app', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ends'});
	$ends->finish;
	let_go();
	drain();
	my $attempts = run_sql($node, 'app', "SELECT coalesce(max(attempt), 0) FROM wearables.jobs WHERE job_id = $job");
	due_now();
	drain();
	is(run_sql($node, 'app', "SELECT count(*) FROM public.test_job_log WHERE job_id = $job AND step IN ('work', 'end')") . " $attempts", '1 0',
		"$kind, terminated at $point: done once, and that was no attempt");
}

# --- A lease that is lost while the work is outside

my $job = enqueue('test_outside');
hold();
$session = start_drain('late', 'test outside:pause');
stands_at_stop('late');
run_sql($node, 'app', "UPDATE wearables.jobs SET leased_until = clock_timestamp() - interval '1 second' WHERE job_id = $job");
drain();
steps_are($job, 'begin begin end', 'another session does the job');
let_go();
$session->finish;
drain();
is(run_sql($node, 'app', "SELECT count(*) FROM public.test_job_log WHERE job_id = $job AND step = 'end'"), 1, 'a session that lost its lease does not end the job a second time');

# --- A look at what is ready that was dear is not repeated at once, and yet drain() leaves nothing that is ready
my $old = $node->background_psql('app');
$old->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
run_sql($node, 'app', q{INSERT INTO wearables.jobs (kind, priority, dedupe_key) SELECT 'test_work', 10, 'dead:' || i FROM generate_series(1, 30000) i;
	DELETE FROM wearables.jobs WHERE dedupe_key LIKE 'dead:%'});
is((split /\n/, run_sql($node, 'app', q{CALL wearables.drain(); SELECT wearables_internal.enqueue_job('test_work', 'alive', NULL, NULL, 10) IS NOT NULL; CALL wearables.drain();
	SELECT count(*) FROM wearables.jobs WHERE dedupe_key = 'alive'}))[-1], 0, 'a job that is ready behind many dead rows is worked on');
$old->quit;

# --- After a wait in vain the next ones are short, but not those for a claim: with them drain() ended with 55P03
my $writer = $node->background_psql('app');
$writer->query_safe(q{BEGIN; INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT u.user_id, 'heartrate', now(), 60 FROM wearables.users u});
receive_event();
hold();
# the first claim is that of the event, which waits for its user in vain
$session = start_drain('claims', 'claim:pause:1');
stands_at_stop('claims', 'a session is about to claim after it has waited in vain');
$old = $node->background_psql('app');
$old->query_safe('BEGIN; LOCK TABLE wearables.jobs IN EXCLUSIVE MODE');
let_go();
$old->query_safe('SELECT pg_sleep(0.03)');  # five short waits
$old->query_safe('COMMIT');
ok($session->finish, '- and waits for what it is to claim');
$writer->query_safe('COMMIT');
$_->quit for $old, $writer, $holder;
due_now();
drain();

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|segfault/, 'nothing in the log of a crash of ours');
$node->stop;
done_testing();
