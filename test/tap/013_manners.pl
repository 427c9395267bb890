# A guest in somebody's database: what a worker must not do there. The table in src/worker/README.md names these tests.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Wearables;

my $now = int(time) - int(time) % 60;
my $calls = 0;
my $worker = q{backend_type = 'wearables_ingest worker'};

my $node = make_node('manners', "wearables_ingest.databases = 'app, template1, nowhere'", 'wearables_ingest.naptime = 1', 'max_prepared_transactions = 2',
	'wal_level = replica', 'max_wal_senders = 2', 'hot_standby = on', 'wearables_ingest.workers = 1');
$node->append_conf('postgresql.conf', 'max_worker_processes = 3');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'alice');

sub message
{
	my (@samples) = @_;
	my $n = ++$calls;
	@samples = [ $now - 86400 + 60 * $n, 60 ] unless @samples;
	return (message_id(($now - 3600) * 1000 + 4 * $n, $n), samples_event('alice', 'heartrate', 'garmin', 'watch', @samples));
}

sub handled
{
	my ($on, $id, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($on, 'app', "SELECT status = 'processed' FROM wearables.webhook_events WHERE message_id = '$id'", $what);
}

my ($id, $body) = message();
is(deliver($node, 'app', $id, $body), 'accepted', 'a message');
handled($node, $id, 'is handled');

# Other databases
is(run_sql($node, 'postgres', "SELECT string_agg(DISTINCT datname, ' ') FROM pg_stat_activity WHERE $worker"), 'app', 'no worker is connected to a template, nor to what is not there');
$node->safe_psql('postgres', 'CREATE DATABASE other');
my ($ok, $out, $err) = $node->psql('postgres', q{SET statement_timeout = '20s'; DROP DATABASE other}, on_error_stop => 0);
is($err, '', 'a sleeping worker does not hold up DROP DATABASE of another one');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE template1');

# Statistics and activity
wait_until($node, 'app', q{SELECT n_tup_ins = 1 FROM pg_stat_user_tables WHERE relname = 'sample_points'}, 'its writes are in the statistics');
is(run_sql($node, 'app', "SELECT application_name, state, query FROM pg_stat_activity WHERE $worker"), 'wearables_ingest|idle|wearables_ingest: looking for jobs', 'an idle worker says so, and what it did last');

# Idle: a look now and then, and nothing else
my $kLooks = "SELECT since FROM wearables_internal.workers()";
my $from = run_sql($node, 'app', $kLooks);
wait_until($node, 'app', "SELECT since > '$from'::timestamptz + interval '3 seconds' FROM wearables_internal.workers()", 'it looks every second');
is(run_sql($node, 'app', 'SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE ' . $worker . q{ AND a.state = 'idle'}), 0, 'and holds nothing between two looks');
is(run_sql($node, 'app', "SELECT count(backend_xmin) FROM pg_stat_activity WHERE $worker AND state = 'idle'"), 0, 'no snapshot either');

# Two-phase commit wakes nobody: the poll finds what it brought
($id, $body) = message();
run_sql($node, 'app', 'BEGIN; ' . receive_sql($id, $body) . "PREPARE TRANSACTION 'delivery'");
run_sql($node, 'app', "COMMIT PREPARED 'delivery'");
handled($node, $id, 'an event of a prepared transaction is handled');

# Told to stop in the middle of a long parse: at once, and nothing of it is counted
my @many = map { [ $now - 86400 * 9 + $_, 60 + $_ % 100 ] } 1 .. 90_000;
run_sql($node, 'app', q{SELECT wearables.pause_queue()});
run_sql($node, 'app', "SELECT wearables.register_user('big', 'ext-big')");
my $big = message_id(($now - 3600) * 1000 + 4000, 'big');
is(deliver($node, 'app', $big, samples_event('big', 'heartrate', 'garmin', 'watch', @many)), 'accepted', 'a message of 90,000 readings');
run_sql($node, 'app', 'SELECT wearables.resume_queue()');
my $pid = $node->poll_query_until('app', "SELECT count(*) = 1 FROM pg_stat_activity WHERE $worker AND query ~ 'job'") && run_sql($node, 'app', "SELECT pid FROM pg_stat_activity WHERE $worker");
my $begun = time;
run_sql($node, 'app', "SELECT pg_terminate_backend($pid)");
wait_until($node, 'app', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid", 'a worker that is terminated goes');
note sprintf 'within %.0f ms, a session for each look included', 1000 * (time - $begun);
handled($node, $big, 'the next one does the event');
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE client_user_id = \'big\''), 90_000, 'all of it');

# Memory
run_sql($node, 'app', 'SELECT wearables.pause_queue()');
sub burst
{
	my ($count) = @_;
	run_sql($node, 'app', join '', 'BEGIN;', (map { receive_sql(message()) } 1 .. $count), 'SELECT wearables.resume_queue(); COMMIT;');
	queue_is_empty($node, 'app', "$count events");
	wait_until($node, 'app', q{SELECT doing = 'idle' FROM wearables.workers}, 'idle again');
	return run_sql($node, 'app', 'SELECT memory FROM wearables.workers');
}
my $first = burst(1000);
my $then = burst(5000);
note "memory after 1,000 events $first bytes, after 5,000 more $then";
cmp_ok($then, '<=', 1.1 * $first + 65536, 'its memory does not grow with the events');

# No place for another worker: said once
my $seen = -s $node->logfile;
$node->append_conf('postgresql.conf', 'wearables_ingest.workers = 4');
$node->reload;
ok($node->wait_for_log(qr/wearables_ingest could not start another worker/, $seen), 'a server without a place for another worker says so');
wait_until($node, 'app', "SELECT since > now() - interval '1 second' FROM wearables_internal.workers() LIMIT 1", 'some turns later');
my @said = substr(slurp_file($node->logfile), $seen) =~ /(could not start another worker)/g;
is(scalar @said, 1, 'once');
$node->append_conf('postgresql.conf', 'wearables_ingest.workers = 1');
$node->reload;

# A standby: no worker, until it is promoted
$node->backup('base');
my $standby = Wearables::Node->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'max_worker_processes = 4');
$standby->start;
($id, $body) = message();
is(deliver($node, 'app', $id, $body), 'accepted', 'a message at the primary');
handled($standby, $id, 'is seen handled at the standby');
is(run_sql($standby, 'postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'wearables'}), 0, 'where no worker runs');
like(run_sql($standby, 'app', q{SELECT verdict || ' ' || reason FROM wearables.health}), qr{^warning 1000 recent .* reason after_origin}, 'and health can be asked: of 200,000 readings some lie after their message');
$node->stop;
$standby->promote;
($id, $body) = message();
is(deliver($standby, 'app', $id, $body), 'accepted', 'promoted, it takes a message');
handled($standby, $id, 'and has a worker');
$standby->stop;
done_testing();
