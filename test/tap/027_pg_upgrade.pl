# pg_upgrade of a cluster whose queue is not empty and whose history is being pulled: every row, sequence and partition is
# there afterwards, the secrets included, and the new cluster goes on where the old one has stopped. Old and new are of
# one major version, that of the tests: what is tried is the catalog of the extension, not a change of PostgreSQL's.
use strict;
use warnings FATAL => 'all';
use Cwd qw(abs_path);
use IPC::Run ();
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $now = int(time) - int(time) % 60;
my $calls = 0;
my ($first, $last) = ('2025-05-01', '2025-06-02');

my $junction = Junction->start(seed => 7, days => 20, until => '2025-06-01', people => 2, page_size => 40, clock => '2025-07-01T00:00:00Z');
my @settings = ('wearables_ingest.naptime = 1', 'wearables_ingest.allow_loopback_http = on', 'wearables_ingest.http_timeout = 5');
my $old = make_node('old', "wearables_ingest.databases = 'app'", @settings);
$old->start;
$old->safe_psql('postgres', 'CREATE DATABASE app; CREATE ROLE chart');
install($old, 'app', 'bob');
run_sql($old, 'app', <<'SQL');
SELECT wearables.register_user('alice', 'alice-at-junction');
SELECT wearables.grant_access('chart', 'reader');
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
-- which Junction here sends once; health would tell of a refused reading
INSERT INTO wearables.units (metric, text, factor) VALUES ('heartrate', 'furlong', 1);
SQL

sub reading
{
	my ($user, @samples) = @_;
	my $n = ++$calls;
	return receive_sql(message_id(($now - 3600) * 1000 + 4 * $n, "reading $n"), samples_event($user, 'heartrate', 'garmin', 'watch', @samples));
}

# Handled: samples, a night, a connection. Parked: an event of somebody who is not registered.
run_sql($old, 'app', join '', map { reading('bob', map { [ $now - 60 * $_, 60 + $_ % 40 ] } 1 .. 50) } 1 .. 10);
run_sql($old, 'app', receive_sql(message_id(($now - 3600) * 1000, 'night'), document_event('bob', 'sleep', 'oura', 'ring',
			{ id => 'night-1', bedtime_stop => rfc3339($now - 86400), hr_lowest => 48, hr_average => 60 })));
run_sql($old, 'app', receive_sql(message_id(($now - 3600) * 1000, 'link'), connection_event('alice', 'created', 'garmin') =~ s/ext-alice/alice-at-junction/r));
run_sql($old, 'app', reading('carol', [ $now - 60, 50 ]));
queue_is_empty($old, 'app', 'what was delivered first is handled');

# In the middle of a pull the queue is stopped, and more arrives.
run_sql($old, 'app', sprintf q{SELECT wearables.add_endpoint('junction', base_url => %s), wearables.set_secret('junction', 'api_key', 0, %s)},
	literal($junction->plain_url), literal($junction->key));
$junction->control(latency => 0.2);
my $backfill = run_sql($old, 'app', "SELECT wearables.request_backfill((SELECT user_id FROM wearables.users WHERE client_user_id = 'alice'), '', 'heartrate', '$first', '$last')");
wait_until($old, 'app', "SELECT state = 'running' AND pages >= 2 FROM wearables.backfills WHERE backfill_id = $backfill", 'history is being pulled');
run_sql($old, 'app', 'SELECT wearables.pause_queue()');
run_sql($old, 'app', reading('bob', [ $now - 30, 177 ]));
$old->stop;
$junction->control(latency => 0);

# What was stored, as nobody changes it any more.
sub without_workers
{
	my ($node) = @_;
	$node->append_conf('postgresql.conf', "wearables_ingest.databases = ''");
	$node->start;
	return;
}
without_workers($old);
my @tables = split /\n/, run_sql($old, 'app', q{SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_internal'::regnamespace)
	AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1});
my %kept = (
	'rows' => join(' UNION ALL ', map { "SELECT '$_', count(*), md5(string_agg(t::text, ' ' ORDER BY t::text COLLATE \"C\")) FROM $_ t" } @tables),
	'sequences' => q{SELECT schemaname, sequencename, last_value FROM pg_sequences WHERE schemaname LIKE 'wearables%' ORDER BY 1, 2},
	'partitions' => q{SELECT inhrelid::regclass, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
		WHERE inhparent = 'wearables.webhook_events'::regclass ORDER BY c.relname},
	'rights' => q{SELECT c.oid::regclass, a.grantee::regrole, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.relnamespace::regnamespace::text LIKE 'wearables%' AND a.grantee <> c.relowner ORDER BY c.oid::regclass::text COLLATE "C", 2, 3},
	'tables with a configuration' => q{SELECT c::regclass FROM pg_extension, unnest(extconfig) c WHERE extname = 'wearables_ingest' ORDER BY c::regclass::text COLLATE "C"},
	'event triggers' => q{SELECT evtname, evtevent, evtenabled, evttags, evtfoid::regproc FROM pg_event_trigger},
	'members' => q{SELECT pg_describe_object(classid, objid, 0) FROM pg_depend WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'wearables_ingest') ORDER BY 1});
my %were = map { $_ => run_sql($old, 'app', $kept{$_}) } keys %kept;
like($were{rows}, qr/sample_points\|\d{2,}\|/, 'there are samples to keep');
is(run_sql($old, 'app', q{SELECT count(*) FROM wearables.jobs WHERE state = 'ready'}) >= 1, 1, 'and jobs that wait');
is(run_sql($old, 'app', "SELECT state FROM wearables.backfills WHERE backfill_id = $backfill"), 'running', 'and a pull that has not ended');
my $kIds = 'SELECT (SELECT max(user_id) FROM wearables.users), (SELECT max(event_id) FROM wearables.webhook_events), (SELECT max(backfill_id) FROM wearables.backfills)';
my @were_ids = split /\|/, run_sql($old, 'app', $kIds);
$old->stop;

# First with copies of the files, which leaves the old cluster as it is, then with links to them.
my $new;
for my $mode (qw(copy link))
{
	$new = make_node("new_$mode", @settings);
	my @command = ($new->installed_command('pg_upgrade'), '--no-sync', '-d', abs_path($old->data_dir), '-D', abs_path($new->data_dir),
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'), '-s', $new->host, '-p', $old->port, '-P', $new->port);
	push @command, '--link' if $mode eq 'link';
	my $said = '';
	# it leaves a script where it runs
	ok(IPC::Run::run(\@command, '>&', \$said, init => sub { chdir $PostgreSQL::Test::Utils::tmp_check or die }), "pg_upgrade, $mode") or diag $said;
	without_workers($new);
	is(run_sql($new, 'app', $kept{$_}), $were{$_}, "$mode: the same $_") for sort keys %kept;
	$new->stop if $mode eq 'copy';
}

# Life goes on in the new cluster: the jobs that waited, the pull, deliveries, what was parked, replays.
$new->append_conf('postgresql.conf', "wearables_ingest.databases = 'app'");
$new->reload;
wait_until($new, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND datname = 'app'}, 'a worker starts');
is(run_sql($new, 'app', q{SELECT count(*) FROM wearables.samples WHERE value = 177}), 0, 'the queue is still paused');
run_sql($new, 'app', 'SELECT wearables.resume_queue()');
wait_until($new, 'app', "SELECT state = 'done' FROM wearables.backfills WHERE backfill_id = $backfill", 'the pull goes on to its end');
queue_is_empty($new, 'app', 'what waited is handled');
is(run_sql($new, 'app', q{SELECT count(*) FROM wearables.samples WHERE value = 177}), 1, 'the delivery before the upgrade is, too');

my $sent = run_sql($new, 'app', q{SELECT wearables.register_user('carol', 'ext-carol', 'junction'), wearables.register_user('dave', 'ext-dave', 'junction');}
	  . "\n" . reading('dave', [ $now - 90, 88 ]));
like($sent, qr/\|accepted\|202/, 'a delivery is accepted with the secret of before');
queue_is_empty($new, 'app');
wait_until($new, 'app', q{SELECT verdict FROM wearables.health}, 'health is ok', 'ok')
  or diag run_sql($new, 'app', 'SELECT * FROM wearables.health; SELECT * FROM wearables.problems');
is(run_sql($new, 'app', q{SELECT string_agg(u.client_user_id || ' ' || s.value, ', ' ORDER BY 1) FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE u.client_user_id IN ('carol', 'dave')}),
	'carol 50, dave 88', 'it is handled, and so is what was parked');
run_sql($new, 'app', "SELECT wearables.request_backfill((SELECT user_id FROM wearables.users WHERE client_user_id = 'alice'), '', 'steps', '$first', '$last')");
my @ids = split /\|/, run_sql($new, 'app', $kIds);
is_deeply([ map { $ids[$_] > $were_ids[$_] ? 'new' : "$ids[$_] after $were_ids[$_]" } 0 .. $#ids ], [ ('new') x @ids ], 'ids are new');
queue_is_empty($new, 'app', 'a pull that is requested afterwards is done');

my $kDigest = q{SELECT count(*), md5(string_agg(concat_ws('|', user_id, metric, ts, provider, source_type, channel, part, value), ',' ORDER BY user_id, metric, ts, provider, source_type, channel, part)) FROM wearables.samples};
my $samples = run_sql($new, 'app', $kDigest);
is(run_sql($new, 'app', q{SELECT events > 10, processed = events, inserted + changed FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE resource = 'heartrate') r}),
	't|t|0', 'every event is replayed, those of the old cluster as well, and nothing changes');
is(run_sql($new, 'app', $kDigest), $samples, 'the samples are the same');
run_sql($new, 'app', q{UPDATE wearables.mappings SET value_fields = '{hr_lowest}' WHERE resource = 'sleep' AND metric = 'heartrate'});
is(run_sql($new, 'app', q{SELECT (wearables.replay(event_id)).changed FROM wearables.webhook_events WHERE resource = 'sleep'}), 1, 'a changed mapping reaches what was stored before');

$new->stop;
$junction->stop;
done_testing();
