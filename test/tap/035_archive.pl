# Raw events go to Parquet files and come back: in a directory and in an S3 that runs here (moto), read by DuckDB as by
# anybody else, with kill -9 before every step. Erasures reach the files, and a damaged file is noticed.
# WEARABLES_ARCHIVE_PYTHON is the python of a virtual environment with pyarrow, psycopg, duckdb and moto (test/run).
use strict;
use warnings FATAL => 'all';
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find qw(find);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Wearables;

my $python = $ENV{WEARABLES_ARCHIVE_PYTHON} // '';
plan skip_all => $ENV{WEARABLES_NO_ARCHIVE_PYTHON} || 'WEARABLES_ARCHIVE_PYTHON does not name the python that test/run installs'
  if $python eq '';
my ($dest) = ($ENV{WEARABLES_CONF} // '') =~ m{'([^':]*/dest)[/:']};
my $program;
find({ no_chdir => 1, wanted => sub { $program = $_ if m{/wearables-archive$} } }, $dest);
ok(defined $program && -x $program, 'the program is installed');

my $kEvents = 40;  # of each person and week
my $first_ts = (int(time) - 86400 * 3) - (time % 60);
my $first_ms = (int(time) - 7200) * 1000;
my $folder = abs_path($PostgreSQL::Test::Utils::tmp_check) . "/archive";
mkdir $folder;
my $node = make_node('archive', "wearables_ingest.databases = ''", "timezone = 'Europe/Berlin'");
$node->start;
install($node, 'postgres', 'alice', 'bob');
run_sql($node, 'postgres', q{CREATE ROLE archiver LOGIN; SELECT wearables.grant_access('archiver', 'archiver'); CREATE ROLE keeper LOGIN; SELECT wearables.grant_access('keeper', 'operator')});
my $conninfo = $node->connstr('postgres') . ' user=archiver';

# --- Three past weeks; the last one holds a parked event

my $made = 0;
sub next_id { $made++; return message_id($first_ms + $made * 8, $made) }

sub week_of_events
{
	my ($monday, @people) = @_;
	my $first = $made + 1;
	run_sql($node, 'postgres', join '',
		(map { my $user = $_; map { receive_sql(next_id(), samples_event($user, 'heartrate', 'garmin', 'watch', map { [ $first_ts + ($made * 3 + $_) * 60, 60 + $_ ] } 1 .. 3)) } 1 .. $kEvents } @people),
		(map { receive_sql(next_id(), document_event($_, 'sleep', 'oura', 'ring', { id => "night-$monday-$_", bedtime_stop => rfc3339($first_ts + $made), hr_lowest => 48, "n\x{fc} \"\\\n\x{1}\x{1f600}" => 'odd' })) } @people));
	run_sql($node, 'postgres', 'CALL wearables.drain()');
	run_sql($node, 'postgres', qq{UPDATE wearables.webhook_events SET received_at = '$monday 12:00Z' WHERE received_at > now() - interval '1 day'});
	make_partitions($node, 'postgres');
	return;
}
run_sql($node, 'postgres', q{SELECT wearables.add_endpoint('other_one'); SELECT wearables.set_secret('other_one', 'webhook', 0, } . literal(secret(1)) . ')');
run_sql($node, 'postgres', receive_sql(next_id(), samples_event('alice', 'heartrate', 'garmin', 'watch', [ $first_ts, 61.25 ]), secret => secret(1)));
week_of_events('2026-03-23', 'alice', 'bob');  # in the week of it clocks in Berlin are moved
week_of_events('2026-03-30', 'alice', 'bob');
week_of_events('2026-04-06', 'alice', 'carol');
my $of_events = q{SELECT md5(string_agg(md5(e::text), '' ORDER BY event_id)), count(*) FROM wearables.webhook_events e WHERE received_at < '2026-04-06'};
my $of_samples = q{SELECT md5(string_agg(p::text, ',' ORDER BY p)), count(*) FROM wearables.sample_points p};
my $events = run_sql($node, 'postgres', $of_events);
my $samples = run_sql($node, 'postgres', $of_samples);
my $bodies = run_sql($node, 'postgres', q{SELECT event_id, encode(sha256(payload), 'hex'), md5(headers::text), received_at AT TIME ZONE 'UTC' FROM wearables.webhook_events WHERE received_at < '2026-04-06' ORDER BY 1});
my $all = run_sql($node, 'postgres', 'SELECT count(*) FROM wearables.webhook_events');

# --- The program

sub archive
{
	my (%option) = @_;
	my ($out, $err) = ('', '');
	local %ENV = environment(%option);
	IPC::Run::run([ $python, arguments(%option) ], '<', '/dev/null', '>', \$out, '2>', \$err);
	return { status => $?, out => $out, err => $err };
}

sub environment { my (%option) = @_; return (%ENV, PYTHONDONTWRITEBYTECODE => 1, %{ $option{environment} // {} }) }
sub arguments { my (%option) = @_; return ($program, (map { ('--under', $_) } @{ $option{under} // ["file://$folder"] }), $conninfo) }

# Killed before each of its steps in turn, until it ends by itself: how often, and after how many of them $holds was not true.
sub archive_killed
{
	my ($holds, %option) = @_;
	my ($in, $out, $err, $kills, $wrong) = ('', '', '', 0, 0);
	local %ENV = environment(%option);
	my $timer = IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default);  # of each run, not of all
	my $run = IPC::Run::start([ $python, dirname(__FILE__) . '/archive_killed.py', arguments(%option) ], '<', \$in, '>', \$out, '2>', \$err, $timer);
	for (;;)
	{
		$timer->start;
		$run->pump until $out =~ /\n/ || !$run->pumpable;
		last unless $out =~ s/^killed\n//;
		$kills++;
		# the next run takes the request only once the server has noticed
		$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE usename = 'archiver'}) or die 'a session outlives its program';
		$wrong++ unless $holds->();
		$in .= "\n";
	}
	$run->finish;
	is($out, "ended 0\n", 'it ends by itself') or diag($err);
	return ($kills, $wrong);
}

sub duckdb
{
	my ($query) = @_;
	my ($out, $err) = ('', '');
	my $script = 'import duckdb,sys; [print("|".join(map(str, r))) for r in duckdb.sql("SET TimeZone=\'UTC\'") or duckdb.sql(sys.argv[1]).fetchall()]';
	IPC::Run::run([ $python, '-c', $script, $query ], '<', '/dev/null', '>', \$out, '2>', \$err) or die "duckdb: $err";
	chomp $out;
	return $out;
}

sub ask { return run_sql($node, 'postgres', "SET ROLE keeper; SELECT wearables.$_[0]") }
sub files { return run_sql($node, 'postgres', q{SELECT substr(url, 8) FROM wearables.archived_files WHERE state <> 'obsolete' ORDER BY url}) }
sub on_disk { my @found; find({ no_chdir => 1, wanted => sub { push @found, $_ if -f } }, $folder); return join "\n", sort @found }
sub state { return run_sql($node, 'postgres', 'SELECT state, error, note FROM wearables.archives ORDER BY archive_id DESC LIMIT 1') }

seeded();

# --- Killed before each step: nothing is lost, and nothing is there twice

my $id = ask(qq{archive_events('2026-04-20', 'file://$folder')});
is(ask(qq{archive_events('2026-04-21', 'file://$folder/')}), $id, 'what is not begun is not requested twice');
my $in_one_place = sub { run_sql($node, 'postgres', q{SELECT (SELECT count(*) FROM wearables.webhook_events) + (SELECT coalesce(sum(rows), 0) FROM wearables.archived_files WHERE state = 'archived')}) == $all };
my ($kills, $wrong) = archive_killed($in_one_place);
cmp_ok($kills, '>', 20, "it was killed $kills times");
is($wrong, 0, 'each time every event was in one place');
like(state(), qr/^done\|\|week 2026-04-06: it holds events that are received, parked or failed$/, 'then it is done, and a week with parked events is left');
is(run_sql($node, 'postgres', q{SELECT count(*), sum(rows) FROM wearables.archived_files WHERE state = 'archived' AND verified_at IS NOT NULL}), '3|' . (4 * ($kEvents + 1) + 1), 'a file for each week and endpoint is in the catalogue');
is(on_disk(), files(), 'no other file is there');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM pg_class WHERE relname IN ('webhook_events_20260323', 'webhook_events_20260330')}), '0', 'the partitions are gone');
is(run_sql($node, 'postgres', $of_samples), $samples, 'the samples are not');
is(deliver($node, 'postgres', message_id($first_ms + 2 * 8, 2), samples_event('alice', 'heartrate', 'garmin', 'watch')), 'duplicate', 'an archived message is not stored again');

# --- Read by DuckDB

is(duckdb("SELECT event_id, sha256(payload), md5(headers), received_at::timestamp FROM read_parquet('$folder/events/*.parquet') ORDER BY 1"), $bodies, 'DuckDB reads the same bytes');
is(duckdb("SELECT string_agg(DISTINCT compression, ',') FROM parquet_metadata('$folder/events/*.parquet')"), 'ZSTD', 'they are compressed');
is(duckdb("SELECT count(*), count(user_id), sum(inserted) > 0, min(status) FROM read_parquet('$folder/events/*.parquet')"), (4 * ($kEvents + 1) + 1) . '|' . (4 * ($kEvents + 1) + 1) . '|True|processed', '... and what was noted of the events');

# --- Replay says what it does not see; restored, it is replayed

like(as_role($node, 'postgres', 'keeper', "SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE received_at < '2026-04-06'")->{err},
	qr/WARNING: .*165 archived event\(s\) were not replayed.*restore_events\('file:.*'\)/s, 'a replay of an archived span says so');
my ($an_event) = $bodies =~ /^(\d+)/m;
like(as_role($node, 'postgres', 'keeper', "SELECT wearables.replay($an_event)")->{err}, qr/WARNING: /, '... and one of an archived event');
like(as_role($node, 'postgres', 'keeper', "SELECT wearables.restore_events('file:///nowhere')")->{err}, qr/no archived file/, 'what is not in the catalogue cannot be restored');
ask(qq{restore_events('file://$folder')});
($kills, $wrong) = archive_killed($in_one_place);
cmp_ok($kills, '>', 20, "the restore was killed $kills times");
is($wrong, 0, 'each time every event was in one place');
like(state(), qr/^done\|\|/, 'they are restored');
is(run_sql($node, 'postgres', $of_events), $events, 'byte for byte, and column for column');
run_sql($node, 'postgres', q{DELETE FROM wearables.sample_points});
run_sql($node, 'postgres', q{SELECT wearables.replay(event_id) FROM wearables.webhook_events});
is(run_sql($node, 'postgres', $of_samples), $samples, 'replayed, they make the same samples');

# --- Another time, into S3

my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($moto_out, $moto_err) = ('', '');
my $moto = IPC::Run::start([ dirname($python) . '/moto_server', '-H', '127.0.0.1', '-p', $port ], '<', '/dev/null', '>', \$moto_out, '2>', \$moto_err);
my %aws = (AWS_ACCESS_KEY_ID => 'test', AWS_SECRET_ACCESS_KEY => 'test', AWS_REGION => 'us-east-1', AWS_ENDPOINT_URL => "http://127.0.0.1:$port");
my $bucket = q{import os, sys, time, pyarrow.fs as fs
s3 = fs.S3FileSystem(endpoint_override=os.environ['AWS_ENDPOINT_URL'].split('//')[1], scheme='http', region='us-east-1', allow_bucket_creation=True)
if sys.argv[1] == 'make': s3.create_dir('bucket')
else: print('\n'.join(sorted(f.path for f in s3.get_file_info(fs.FileSelector('bucket', recursive=True)) if f.is_file)))};

sub s3
{
	my ($what) = @_;
	my ($out, $err) = ('', '');
	local %ENV = (%ENV, %aws);
	IPC::Run::run([ $python, '-c', $bucket, $what ], '<', '/dev/null', '>', \$out, '2>', \$err) or return "failed: $err";
	chomp $out;
	return $out;
}
for (1 .. 300) { last if s3('make') eq ''; usleep 100_000 }
ask(q{archive_events('2026-04-20', 's3://bucket/wearables')});
is(archive()->{out}, '', 'a folder that the program is not told of is left alone');
is((split /\|/, state())[0], 'requested', '... with its request');
my $run = archive(under => [ 's3://bucket/wearables', "file://$folder" ], environment => \%aws);
is($run->{status}, 0, 'S3 takes them') or diag("$run->{out}$run->{err}$moto_err");
is(run_sql($node, 'postgres', q{SELECT substr(url, 6) FROM wearables.archived_files ORDER BY url}), s3('list'), 'the catalogue has what is there');
is(on_disk(), '', 'the former files of these weeks are deleted');

# --- An erasure reaches the archive

my $bob = run_sql($node, 'postgres', q{SELECT user_id FROM wearables.users WHERE client_user_id = 'bob'});
run_sql($node, 'postgres', "SELECT wearables.erase_user($bob)");
run_sql($node, 'postgres', 'CALL wearables.drain()');
is(run_sql($node, 'postgres', q{SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}')}), 'wearables.archived_files|url|3', 'verify_erasure() tells what is waiting');
my $waiting = run_sql($node, 'postgres', q{SELECT string_agg(archive_id::text, ',') FROM wearables.archives WHERE task = 'erase' AND state = 'requested'});
run_sql($node, 'postgres', "UPDATE wearables.archives SET state = 'done' WHERE archive_id IN ($waiting)");
ask(q{restore_events('s3://bucket/wearables')});
archive(under => ['s3://bucket'], environment => \%aws);
like(state(), qr/^done\|\|.*41 of 82 events are of erased users or there/, 'a restore brings nothing of the person back');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.webhook_events WHERE client_user_id = 'bob' OR position('bob'::bytea IN payload) > 0}), '0', '... in no body');
run_sql($node, 'postgres', "UPDATE wearables.archives SET state = 'requested' WHERE archive_id IN ($waiting)");
($kills, $wrong) = archive_killed(sub { run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.verify_erasure('bob', '{ext-bob}')}) > 0 || index(s3_bytes(), 'ext-bob') < 0 },
	under => ['s3://bucket'], environment => \%aws);
cmp_ok($kills, '>', 20, "the rewriting of files was killed $kills times");
is($wrong, 0, 'verify_erasure() never said that nothing is left while something was');
is(run_sql($node, 'postgres', q{SELECT * FROM wearables.verify_erasure('bob', '{ext-bob}')}), '', 'nothing is left');
is(run_sql($node, 'postgres', q{SELECT count(*), sum(rows), count(rewritten_at) FROM wearables.archived_files}), '3|83|2', 'the catalogue says which files were rewritten');
is(s3('list'), run_sql($node, 'postgres', q{SELECT substr(url, 6) FROM wearables.archived_files ORDER BY url}), 'the former files are deleted');
unlike(s3_bytes(), qr/ext-bob/, 'no file holds the person');
like(s3_bytes(), qr/ext-alice/, 'the other one is there');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.deliveries d WHERE NOT EXISTS (SELECT FROM wearables.webhook_events e WHERE e.event_id = d.event_id)}), '0', 'nor does the ledger know the messages');

# all columns of text and the bodies of all files, uncompressed
sub s3_bytes
{
	my ($out, $err) = ('', '');
	my $script = q{import os, sys, pyarrow.fs as fs, pyarrow.parquet as pq
s3 = fs.S3FileSystem(endpoint_override=os.environ['AWS_ENDPOINT_URL'].split('//')[1], scheme='http', region='us-east-1')
for f in s3.get_file_info(fs.FileSelector('bucket', recursive=True)):
    if f.is_file:
        for row in pq.read_table(f.path, filesystem=s3).to_pylist(): print(row)};
	local %ENV = (%ENV, %aws);
	IPC::Run::run([ $python, '-c', $script ], '<', '/dev/null', '>', \$out, '2>', \$err) or die $err;
	return $out;
}

# --- Samples for analysis

ask(sprintf q{export_samples(to_timestamp(%d)::date, 'file://%s')}, $first_ts, $folder);
is(archive()->{status}, 0, 'samples are exported');
my $of_month = sprintf q{FROM wearables.samples WHERE ts >= date_trunc('month', to_timestamp(%d), 'UTC') AND ts < date_trunc('month', to_timestamp(%1$d), 'UTC') + interval '1 month'}, $first_ts;
is(duckdb("SELECT count(*), sum(value)::decimal(12,2) FROM read_parquet('$folder/samples/*.parquet')"), run_sql($node, 'postgres', "SELECT count(*), sum(value)::numeric(12,2) $of_month"), 'DuckDB reads all of the month');
is(duckdb("SELECT metric, provider, unit, min(ts)::timestamp FROM read_parquet('$folder/samples/*.parquet') WHERE channel = 'timeseries' GROUP BY ALL"),
	run_sql($node, 'postgres', "SELECT metric, provider, unit, min(ts) AT TIME ZONE 'UTC' $of_month AND channel = 'timeseries' GROUP BY 1, 2, 3"), 'with names, unit and time');
ask(sprintf q{export_samples(to_timestamp(%d)::date, 'file://%s')}, $first_ts, $folder);
archive();
is(() = on_disk() =~ /parquet/g, 1, 'another export of the month takes the place of the first');
run_sql($node, 'postgres', q{SELECT wearables.erase_user(user_id) FROM wearables.users WHERE client_user_id = 'alice'});
run_sql($node, 'postgres', 'CALL wearables.drain()');
archive();
is(on_disk(), '', 'an erasure reaches exports: of nobody else there are samples');

# --- Damage is noticed

run_sql($node, 'postgres', q{SELECT wearables.register_user('dora', 'ext-dora', 'junction')});
week_of_events('2026-02-02', 'dora');
ask(qq{archive_events('2026-03-01', 'file://$folder')});
archive();
my ($path) = split /\n/, run_sql($node, 'postgres', q{SELECT substr(url, 8) FROM wearables.archived_files WHERE range_from = '2026-02-02Z'});
my $bytes = slurp_file($path);
for my $damage ('a byte is changed', 'the end is cut off', 'it is gone')
{
	my $damaged = $bytes;
	substr($damaged, 5000, 1) ^= "\x55" if $damage eq 'a byte is changed';
	$damaged = substr $damaged, 0, -100 if $damage eq 'the end is cut off';
	unlink $path;
	append_to_file($path, $damaged) if $damage ne 'it is gone';
	ask(qq{verify_archives('file://$folder')});
	is(archive()->{status} >> 8, 1, "$damage: the program fails");
	like(state(), qr{^failed\|file://.*parquet: (its content is not what was written|it cannot be read|there is no such file)}, '... and says why');
	is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.problems WHERE problem = 'archive_damaged'}), '1', '... a problem');
}
ask(qq{restore_events('file://$path')});
archive();
like(state(), qr/^failed\|/, 'a damaged file is not restored');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.webhook_events WHERE client_user_id = 'dora'}), '0', '... in no part');
unlink $path;
append_to_file($path, $bytes);
ask(qq{verify_archives('file://$folder')});
archive();
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.problems WHERE problem = 'archive_damaged'}), '0', 'put back, it is good again');

# --- What is in the way of one request, and not of the others

mkdir "$folder/events/stuck" or die;
run_sql($node, 'postgres', qq{INSERT INTO wearables.archived_files (archive_id, content, state, folder, url, range_from, range_to)
	SELECT 1, 'events', 'obsolete', 'file://$folder', format('file://$folder/%s', n), '2026-01-05Z', '2026-01-12Z' FROM unnest('{events/stuck,no/such/folder}'::text[]) n});
unlink "$folder/no";
append_to_file("$folder/no", 'a file where a folder should be');
ask(qq{verify_archives('file://$folder')});
my $beside = archive();
is($beside->{status} >> 8, 1, 'a file that cannot be deleted makes the program fail') or diag($beside->{err});
like($beside->{out}, qr{^file://\S+/events/stuck: it cannot be deleted: [^\n]+\nrequest \d+ \(verify\): done}, '... which says so, once, and works on the requests');
is(run_sql($node, 'postgres', q{SELECT substring(url FROM '[^/]+$') FROM wearables.archived_files WHERE state = 'obsolete'}), 'stuck', '... and keeps it in the catalogue, but none that is not there');
rmdir "$folder/events/stuck";
is(archive()->{status}, 0, 'the next run goes on');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.archived_files WHERE state = 'obsolete'}), '0', '... and forgets it');
unlink "$folder/no";

week_of_events('2026-02-09', 'dora');
week_of_events('2026-02-16', 'dora');
ask(qq{archive_events('2026-03-01', 'file://$folder')});
my $dropper = $node->background_psql('postgres', on_error_stop => 1);
$dropper->query_safe('BEGIN; LOCK TABLE wearables.webhook_events_20260209');
my ($gone_out, $gone_err) = ('', '');
my $archiving = do {
	local %ENV = environment();
	IPC::Run::start([ $python, arguments() ], '<', '/dev/null', '>', \$gone_out, '2>', \$gone_err, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
};
wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'wearables.webhook_events_20260209'::regclass}, 'the program comes to a week that is being dropped');
$dropper->query_safe('DROP TABLE wearables.webhook_events_20260209; COMMIT');
$archiving->finish;
$dropper->quit;
like($gone_out, qr/^request \d+ \(archive\): done; 1 file\(s\), 41 row\(s\)$/, 'a week that is dropped meanwhile is left out, and the next one archived') or diag($gone_err);

# --- An erasure that could not reach a file goes on when it can

unlink $path;
my @everywhere = (under => [ 's3://bucket/wearables', "file://$folder" ], environment => \%aws);
run_sql($node, 'postgres', q{SELECT wearables.erase_user(user_id) FROM wearables.users WHERE client_user_id = 'dora'; CALL wearables.drain()});
is(archive(@everywhere)->{status} >> 8, 1, 'an erasure fails at a file that is not there');
is(archive(@everywhere)->{status} >> 8, 1, '... each time');
is(run_sql($node, 'postgres', q{SELECT * FROM wearables.verify_erasure('dora', '{ext-dora}')}), 'wearables.archived_files|url|1', '... and all other files are looked through');
append_to_file($path, $bytes);
is(archive(@everywhere)->{status}, 0, 'the next run after it is put back goes on');
is(run_sql($node, 'postgres', q{SELECT * FROM wearables.verify_erasure('dora', '{ext-dora}')}), '', 'nothing is left');

# --- Who may

for my $statement (q{SELECT wearables.archive_events('2026-01-01', 'file:///tmp')}, 'SELECT FROM wearables.users', 'SELECT FROM wearables.endpoint_secrets', 'DELETE FROM wearables.archives', 'UPDATE wearables.archived_files SET rows = 0')
{
	is_deeply(as_role($node, 'postgres', 'archiver', $statement)->{states}, ['42501'], "the role of the program may not: $statement");
}
is_deeply(as_role($node, 'postgres', 'archiver', q{SELECT wearables_internal.finish_week(1, '2026-02-02Z', '{}', 0)})->{states}, ['55000'], 'nor finish what it has not taken');

$moto->kill_kill;
$node->stop;
done_testing();
