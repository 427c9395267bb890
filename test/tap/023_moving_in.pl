# The chapter of the manual about moving, followed literally: each block of SQL and shell runs as it stands, in order, and
# what is printed there is compared. What comes of 2,000 stored events is compared with what comes of the deliveries.
use strict;
use warnings FATAL => 'all';
use Digest::MD5 qw(md5_hex);
use File::Temp qw(tempdir);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Wearables;

my $kEvents = 2000;
my $kRaw = 50;
my $kBoth = 100;
my $now = int(time) - int(time) % 60;
my $dir = tempdir(CLEANUP => 1);
my $chapter = slurp_file('src/manual/moving.md');
my $node = make_node('moving_in', "wearables_ingest.databases = ''", "timezone = 'UTC'", 'wal_level = logical', 'max_wal_senders = 4', 'max_replication_slots = 4');
$node->start;

# The blocks from one heading to another: [kind, text].
sub blocks
{
	my ($from, $to) = @_;
	my ($text) = $chapter =~ /^## \Q$from\E\n(.*?)^## \Q$to\E\n/ms or die "no section $from before $to";
	my @blocks;
	push @blocks, [ $1, $2 ] while $text =~ /^```(\w+)\n(.*?)^```$/msg;
	return @blocks;
}

sub plain { return join "\n", grep { /\S/ } map { s/\s+$//r } split /\n/, $_[0]; }

# Through one session of psql; a shell block by its \!, which must end with 0. Returns what was printed before each text
# block, and all errors.
sub follow
{
	my ($database, @blocks) = @_;
	my ($script, $shells) = ('', 0);
	for my $i (0 .. $#blocks)
	{
		my ($kind, $text) = @{ $blocks[$i] };
		my $fails = $i < $#blocks && $blocks[ $i + 1 ][0] eq 'text' && $blocks[ $i + 1 ][1] =~ /^ERROR/;
		if ($kind eq 'sql') { $script .= $fails ? "\\set ON_ERROR_STOP 0\n$text\\set ON_ERROR_STOP 1\n" : $text }
		elsif ($kind eq 'sh')
		{
			my $file = "$dir/block" . ++$shells;
			append_to_file($file, "set -euo pipefail\ncd $dir\n$text" . "echo ended >> $dir/ended\n");
			$script .= "\\! bash $file\n";
		}
		elsif ($kind eq 'text') { $script .= "\\echo mark\n" }
	}
	local %ENV = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PATH => $node->config_data('--bindir') . ":$ENV{PATH}");
	my ($out, $err);
	unlink "$dir/ended";
	IPC::Run::run([ $node->installed_command('psql'), '-Xq', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-d', $database ],
		'<', \$script, '>', \$out, '2>', \$err);
	is(-e "$dir/ended" ? scalar(() = slurp_file("$dir/ended") =~ /ended/g) : 0, $shells, "shell commands: $shells end well");
	my @printed = split /^mark\n/m, $out;
	return ($err, @printed);
}

# Of what is printed, one table is that of the manual; it leaves out those of calls that return nothing of interest.
sub compare
{
	my ($printed, @blocks) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @shown = map { $_->[1] } grep { $_->[0] eq 'text' && $_->[1] !~ /^ERROR/ } @blocks;
	for my $i (0 .. $#shown)
	{
		my ($head) = split /\n/, $shown[$i];
		my @tables = grep { index($_, $head) == 0 } split /\n{2,}/, $printed->[$i] // '';
		is(plain($tables[-1] // ''), plain($shown[$i]), 'printed as shown at place ' . ($i + 1));
	}
	return;
}

# What the sender has sent: readings of ten minutes, corrected ones, nights that are revised.
sub event
{
	my ($n) = @_;
	my $user = 'user ' . $n % 20;
	my $at = $now - 86400 * 20 + 300 * $n;
	return document_event($user, 'sleep', 'oura', 'ring', { id => 'night-' . int($n / 50), bedtime_stop => rfc3339($at), hr_lowest => 40 + $n % 30, hr_average => 60 })
	  if $n % 10 == 0;
	return samples_event($user, 'heartrate', 'garmin', 'watch', map { [ $at - 60 * $_ - 600 * ($n % 7), 50 + ($n + $_) % 100 ] } 1 .. 10);
}
my @sent = map { [ message_id(($now - 86400 * 20 + 300 * $_) * 1000, $_), event($_), $now - 86400 * 20 + 300 * $_ ] } 1 .. $kEvents;
seeded();

# Delivered as they were sent, in another order.
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(app delivered);
install($node, 'delivered', map { "user $_" } 0 .. 19);
run_sql($node, 'delivered', join '', map { receive_sql($_->[0], $_->[1]) } shuffled(@sent));
run_sql($node, 'delivered', 'CALL wearables.drain()');

# The old receiver's tables. Its secret is that of the endpoint, and some of its rows are bytes with their headers.
install($node, 'app');
my $old = "CREATE SCHEMA old; CREATE TABLE old.events (svix_id text, received_at timestamptz, body jsonb);\n"
  . "CREATE TABLE old.users (client_user_id text, external_user_id text, time_zone text);\n"
  . "CREATE TABLE old.raw_events (headers jsonb, body bytea);\n"
  . "INSERT INTO old.users SELECT 'user ' || n, 'ext-user ' || n, 'UTC' FROM generate_series(0, 19) n;\n";
$old .= sprintf "INSERT INTO old.events VALUES ('%s', to_timestamp(%d), %s);\n", $_->[0], $_->[2], literal($_->[1]) for shuffled(@sent);
for my $n (1 .. $kRaw)
{
	my $at = $now - 86400 * 400 + 60 * $n;
	my ($id, $body) = (message_id($at * 1000, $n), samples_event('user 1', 'heartrate', 'garmin', 'watch', [ $at, 70 ]));
	$old .= sprintf "INSERT INTO old.raw_events VALUES (%s, '\\x%s');\n", literal(to_json(signed_headers($id, $body, timestamp => $at))), unpack 'H*', $body;
}
run_sql($node, 'app', $old);
# some have come here, too
run_sql($node, 'app', join '', map { receive_sql($_->[0], $_->[1]) } (shuffled(@sent))[ 0 .. $kBoth - 1 ]);

my @moving_in = blocks('Take over events of another receiver', 'Back up and restore');
cmp_ok(scalar(grep { $_->[0] eq 'sql' } @moving_in), '>', 6, 'there are statements to follow');
my $begun = time;
my ($err, @printed) = follow($node->connstr('app'), @moving_in);
my $took = time - $begun;
is($err, '', 'the events of another receiver are taken over without an error');
compare(\@printed, @moving_in);
note sprintf '%d events delivered and handled within %.1f s: %.0f a second', $kEvents, $took, $kEvents / $took;

my $kSamples = q{SELECT u.client_user_id, s.metric, s.ts, s.provider, s.source_type, s.channel, s.value, s.value_secondary, s.unit, s.ts_end, s.tz_offset
	FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE s.ts > now() - interval '300 days' ORDER BY 1, 2, 3, 4, 5, 6};
my $kNights = q{SELECT u.client_user_id, s.summary_id, s.doc FROM wearables.summaries s JOIN wearables.users u USING (user_id) ORDER BY 1, 2};
my @samples = map { run_sql($node, $_, $kSamples) } qw(app delivered);
cmp_ok(scalar(() = $samples[1] =~ /\n/g), '>', 10_000, 'there are many samples');
is(md5_hex($samples[0]), md5_hex($samples[1]), 'the same samples as if the sender had delivered here');
is(run_sql($node, 'app', $kNights), run_sql($node, 'delivered', $kNights), 'and the same nights');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.deliveries GROUP BY message_id HAVING count(*) > 1 LIMIT 1}), 2, 'some messages came twice');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE headers ->> 'user-agent' = 'moved in' AND endpoint = 'moved_in'}), $kEvents,
	'what was moved in is known as such');
is(run_sql($node, 'app', q{SELECT string_agg(problem || coalesce(object, ''), ' ') FROM wearables.problems WHERE object = 'moved_in'}), '', 'and is no problem');
is(run_sql($node, 'app', q{SELECT (wearables.receive(wearables.signed_headers('msg_1', now(), 'x', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'), 'x', 'moved_in')).status}), 'refused', 'its endpoint is closed');

# Backup, copies, removal.
run_sql($node, 'app', 'CALL wearables.drain()');
my $kCounts = 'SELECT (SELECT count(*) FROM wearables.sample_points), (SELECT count(*) FROM wearables.webhook_events), (SELECT count(*) FROM wearables.deliveries)';
my $counts = run_sql($node, 'app', $kCounts);
for my $part ([ 'Back up and restore', 'Rename, copy or drop a database' ], [ 'Rename, copy or drop a database', 'Move to another server' ])
{
	my @blocks = blocks(@$part);
	($err, @printed) = follow($node->connstr('app'), @blocks);
	is($err, '', "$part->[0]: without an error");
}
for my $database (qw(app app_restored app_parallel app_extension app_rows app_staging))
{
	is(run_sql($node, $database, $kCounts), $counts, "$database: the same rows");
}
is(run_sql($node, 'app_staging', 'SELECT count(*) FROM wearables.endpoint_secrets'), 0, 'app_staging: no secret');

# Another server that reads.
my $reader = make_node('reader', "wearables_ingest.databases = ''");
$reader->start;
$reader->safe_psql('postgres', 'CREATE DATABASE charts');
my ($publish, $subscribe) = map { $_->[1] } blocks('Feed another database for reading', 'Upgrade');
my ($conninfo) = ($node->connstr('app') =~ s/'/''/gr);
like($subscribe, qr/'host=source\.example dbname=app'/, 'the manual names a source');
$node->safe_psql('app', $publish =~ s/^\\connect.*\n//r);
$reader->safe_psql('charts', $subscribe =~ s/'host=source\.example dbname=app'/'$conninfo'/r);
$reader->wait_for_subscription_sync($node, 'charts', 'charts');
is(md5_hex(run_sql($reader, 'charts', $kSamples)), md5_hex(run_sql($node, 'app', $kSamples)), 'the same samples there');
run_sql($node, 'app', receive_sql(message_id($now * 1000, 'late'), samples_event('user 3', 'heartrate', 'garmin', 'watch', [ $now, 199 ])) . "CALL wearables.drain();");
wait_until($reader, 'charts', q{SELECT count(*) = 1 FROM wearables.samples WHERE value = 199}, 'and the next one');
is(run_sql($reader, 'charts', q{SELECT max(greatest_value) FROM (SELECT max(value) AS greatest_value FROM wearables.timeseries((SELECT user_id FROM wearables.users WHERE client_user_id = 'user 3'), 'heartrate', now() - interval '1 day', now() + interval '1 day')) t}) > 0, 1, 'charts can be read');
$reader->safe_psql('charts', 'DROP SUBSCRIPTION charts');
$node->safe_psql('app', 'DROP PUBLICATION charts');
$reader->stop;

$chapter .= "## end\n";
my @last = (blocks('Upgrade', 'Remove it'), blocks('Remove it', 'end'));
($err, @printed) = follow($node->connstr('app'), @last);
my ($refusal) = map { $_->[1] } grep { $_->[0] eq 'text' } @last;
is(plain($err =~ s/^NOTICE.*\n//mgr), plain($refusal), 'removed, after a refusal');
is(run_sql($node, 'app', q{SELECT count(*) FROM pg_extension WHERE extname = 'wearables_ingest'}), 0, 'it is gone');

$node->stop;
done_testing();
