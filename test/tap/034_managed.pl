# The chapter of the manual on a managed database, followed with two servers: a box with the extension, and a server that
# has no library of ours. Tables and answers are the same on both sides after the first copy, corrections, removals,
# replays, a new metric, restarts of either side and an erasure; the statements are those of the chapter.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Wearables;

# WEARABLES_FEED_SAMPLES=200000 measures what the manual says
my $kSamples = $ENV{WEARABLES_FEED_SAMPLES} // 20_000;
my $kSamplesAnEvent = 2000;
my $chapter = slurp_file('src/manual/managed.md');
my $first_ms = 1_778_000_000_000;  # when the messages are made, after their readings
my $first_ts = 1_774_000_000 - 1_774_000_000 % 86400;  # around the change of clocks in Berlin

my ($settings) = $chapter =~ /^```ini\n(.*?)^```$/ms;
my $box = make_node('box', "wearables_ingest.databases = ''", "timezone = 'UTC'", 'max_wal_senders = 8', 'max_replication_slots = 8', $settings);
$box->start;
$box->safe_psql('postgres', 'CREATE DATABASE app');
install($box, 'app', qw(alice bob carol));
# nothing that leads to our library
my $managed = Wearables::Node->new('managed');
$managed->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
$managed->append_conf('postgresql.conf', "timezone = 'America/New_York'\nmax_logical_replication_workers = 8");
$managed->start;
$managed->safe_psql('postgres', 'CREATE DATABASE shop');

# The statements below a heading; each side's in their order.
sub blocks
{
	my ($heading) = @_;
	my ($text) = $chapter =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms or die "no section $heading";
	return $text =~ /^```sql\n(.*?)^```$/msg;
}

my $conninfo = $box->connstr('app') . ' user=feed';
sub connecting { my ($statement) = @_; $statement =~ s/^CONNECTION '.*'$/"CONNECTION " . literal($conninfo)/me or die 'no connection'; return $statement; }

my $made = 0;
sub next_id { $made++; return message_id($first_ms + $made * 8, $made) }
sub received { my ($body) = @_; return receive_sql(next_id(), $body, timestamp => int time); }
sub at_box { return run_sql($box, 'app', join '', @_); }

# values that floating-point sums are exact of, in whatever order
sub beats
{
	my ($user, $from, $count, $value) = @_;
	return received(samples_event($user, 'heartrate', 'garmin', 'watch', map { [ $first_ts + ($from + $_) * 600, $value + ($_ % 17) / 8 ] } 0 .. $count - 1));
}

sub night
{
	my ($user, $day, %more) = @_;
	my $stop = $first_ts + $day * 86400 + 6 * 3600;
	return received(document_event($user, 'sleep', 'oura', 'ring', {
		id => "night-$user-$day", bedtime_start => rfc3339($stop - 8 * 3600), bedtime_stop => rfc3339($stop), calendar_date => substr(rfc3339($stop), 0, 10),
		hr_lowest => 48, total => 27000, timezone_offset => 7200, %more }));
}

sub steps
{
	my ($user, $day, $steps) = @_;
	return received(document_event($user, 'activity', 'oura', 'ring',
		{ id => "day-$user-$day", calendar_date => substr(rfc3339($first_ts + $day * 86400), 0, 10), steps => $steps }));
}

my $published = "SELECT p.relation, replace(p.columns, ' ', ', ') FROM wearables_internal.published p";
my %digest = map { my ($relation, $columns) = split /\|/; $relation => qq{SELECT count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C")) FROM (SELECT $columns FROM $relation) t} }
  split /\n/, at_box($published);
# one row for each call of timeseries(): both zones, recorded, bounds of either type, partial buckets, every merge
my $kCharts = q{
SELECT q.user_id, q.metric, z.zone, w.width, r.place, c.merge, count(t), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"))
FROM (SELECT DISTINCT user_id, metric FROM wearables.samples WHERE metric ~ '^(heartrate|steps|total_sleep_time|grip_strength.*)$') q
CROSS JOIN (VALUES (NULL), ('Europe/Berlin'), ('America/New_York'), ('+05:45'), ('recorded')) z (zone)
CROSS JOIN (VALUES ('hour'), ('15 minutes'), ('day'), ('week'), ('month')) w (width)
CROSS JOIN (VALUES ('all'), ('best'), ('blend')) c (merge)
CROSS JOIN (VALUES (1, timestamptz '2026-03-20Z', timestamptz '2026-04-10Z'), (2, '2026-03-28 11:17Z', '2026-03-30 02:03Z')) r (place, first, last)
CROSS JOIN LATERAL wearables.timeseries(q.user_id, q.metric, r.first, r.last, w.width, z.zone, merge => c.merge) t
WHERE c.merge = 'all' OR w.width = 'day'
GROUP BY 1, 2, 3, 4, 5, 6
UNION ALL
SELECT q.user_id, q.metric, z.zone, w.width, 3, 'days', count(t), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"))
FROM (SELECT DISTINCT user_id, metric FROM wearables.samples WHERE metric ~ '^(heartrate|steps|total_sleep_time|grip_strength.*)$') q
CROSS JOIN (VALUES (NULL), ('Pacific/Kiritimati'), ('recorded')) z (zone)
CROSS JOIN (VALUES ('6 hours'), ('day')) w (width)
CROSS JOIN LATERAL wearables.timeseries(q.user_id, q.metric, date '2026-03-27', date '2026-03-31', w.width, z.zone) t
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4, 5, 6};
my %answer = (
	'timeseries()' => $kCharts,
	samples => q{SELECT count(*), md5(string_agg(s::text, chr(10) ORDER BY s::text COLLATE "C")) FROM wearables.samples s},
	'latest()' => q{SELECT u.user_id, l.* FROM wearables.users u CROSS JOIN LATERAL wearables.latest(u.user_id) l ORDER BY 1, 2},
	'nights()' => q{SELECT u.user_id, n.* FROM wearables.users u CROSS JOIN LATERAL wearables.nights(u.user_id, '2026-03-01', '2026-05-01') n ORDER BY 1, 2},
	'samples_page()' => q{SELECT p.* FROM wearables.samples_page(1, 'heartrate', '2026-03-28Z', '2026-03-30Z', NULL, 50) p},
	'timeseries_percentiles()' => q{SELECT t.* FROM wearables.timeseries_percentiles(1, 'heartrate', '2026-03-28 11:17Z', '2026-03-31Z', '6 hours', time_zone => 'Europe/Berlin') t},
	'timeseries_histogram()' => q{SELECT t.* FROM wearables.timeseries_histogram(1, 'heartrate', '2026-03-28 11:17Z', '2026-03-31Z', '{50,62}', time_zone => 'recorded') t},
	'timeseries_time_weighted()' => q{SELECT t.* FROM wearables.timeseries_time_weighted(1, 'heartrate', '2026-03-28 11:17Z', '2026-03-29 22:00Z', 'hour', '20 minutes', 'Europe/Berlin') t});

my $kForms = "SET timezone = 'UTC'; SET extra_float_digits = 1;";

sub is_same
{
	my ($when, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# drain() commits without waiting for the disk, and who waits for the subscriber asks how far the WAL has been written
	at_box(q{SELECT pg_logical_emit_message(true, 'written', '')});
	$box->wait_for_catchup('wearables');
	for my $what (sort keys %digest) { is(run_sql($managed, 'shop', $kForms . $digest{$what}), run_sql($box, 'app', $kForms . $digest{$what}), "$when: $what"); }
	for my $what (sort keys %answer)
	{
		my $expected = run_sql($box, 'app', $kForms . $answer{$what});
		isnt($expected, '', "$when: $what answers");
		is(run_sql($managed, 'shop', $kForms . $answer{$what}), $expected, "$when: $what is the same");
	}
	return;
}

# --- The chapter: publish, prepare, subscribe

is(at_box('SELECT count(*) FROM pg_publication'), '0', 'nothing is published at first');
at_box(beats('alice', 0, 2500, 60), beats('bob', 0, 300, 70), (map { (night('alice', $_), night('bob', $_), steps('alice', $_, 1000 + $_), steps('bob', $_, 2000)) } 1 .. 16),
	received(connection_event('alice', 'created', 'oura')), 'CALL wearables.drain();',
	# recorded elsewhere than in the zone of the person
	q{UPDATE wearables.users SET time_zone = 'Europe/Berlin' WHERE user_id = 1;
	  INSERT INTO wearables.samples (user_id, metric, ts, value, provider, tz_offset)
	  SELECT 1, 'heartrate', '2026-03-28Z'::timestamptz + n * interval '13 min', 50 + n % 9 / 8.0, 'polar', (ARRAY[-300, 330, 120])[1 + n % 3] FROM generate_series(1, 300) n;},
	'CALL wearables.drain();');
my ($publish) = blocks('Set up the publisher');
at_box($publish);
my ($script) = $chapter =~ /^psql -XAtq -d app -c '(.*)' > subscriber\.sql$/m;
my $ddl = at_box($script);
my ($subscribe, $copied, $read) = blocks('Set up the subscriber');
# a role that is no superuser can run the script, and run it again
run_sql($managed, 'postgres', 'CREATE ROLE plain LOGIN; CREATE DATABASE of_plain OWNER plain');
for my $time ('once', 'again')
{
	is(as_role($managed, 'of_plain', 'plain', $ddl)->{err}, '', "the script runs $time, without a superuser");
}
like(as_role($box, 'app', (getpwuid $<)[0], $ddl)->{err}, qr/this database has the extension/, 'it refuses the box itself');
run_sql($managed, 'shop', $ddl);
run_sql($managed, 'shop', connecting($subscribe));
wait_until($managed, 'shop', $copied, 'all tables are copied', '0');
is(run_sql($managed, 'shop', "SELECT count(*) FROM pg_extension WHERE extname = 'wearables_ingest'"), '0', 'the extension is not there');
is(run_sql($managed, 'shop', "SELECT count(*) FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.pronamespace::regnamespace::text LIKE 'wearables%' AND l.lanname = 'c'"), '0', 'nor a function of a library');
run_sql($managed, 'shop', $read);
is_same('first copy');

# --- Corrections, removals, replays, a new metric

my $before = at_box('SELECT count(*), sum(value) FROM wearables.sample_points');
at_box(beats('alice', 100, 400, 66), night('alice', 3, hr_lowest => 44), night('alice', 4, hr_lowest => undef, total => 25000), steps('alice', 5, 4321),
	received(connection_event('alice', 'error', 'oura', 'token_refresh_failed')), 'CALL wearables.drain();');
isnt(at_box('SELECT count(*), sum(value) FROM wearables.sample_points'), $before, 'samples are corrected');
is_same('corrections');
$before = at_box('SELECT count(*) FROM wearables.sample_points');
at_box(q{UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep' AND 'total' = ANY (value_fields);},
	q{SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE resource = 'sleep';}, 'CALL wearables.drain();');
cmp_ok(at_box('SELECT count(*) FROM wearables.sample_points'), '<', $before, 'a replay removes samples');
is_same('replay');
at_box(q{UPDATE wearables.mappings SET enabled = true WHERE NOT enabled;},
	q{SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE resource = 'sleep';}, 'CALL wearables.drain();');
at_box(q{INSERT INTO wearables.metrics (name, unit, aggregate) VALUES ('grip_strength', 'kg', 'last');
	INSERT INTO wearables.metrics (name, unit, aggregate, parent) VALUES ('grip_strength/left', 'kg', 'last', 'grip_strength');
	INSERT INTO wearables.samples (user_id, metric, ts, value, value_secondary, provider) SELECT 1, m, '2026-03-29Z'::timestamptz + n * interval '37 min', n / 8.0, CASE WHEN n % 3 = 0 THEN n END, 'gripper' FROM unnest('{grip_strength,grip_strength/left}'::text[]) m, generate_series(1, 40) n;
	INSERT INTO wearables.source_priorities (user_id, metric, rank, provider) VALUES (NULL, 'heartrate', 1, 'polar'), (1, NULL, 1, 'garmin'), (NULL, NULL, 9, NULL);
	UPDATE wearables.source_priorities SET rank = 2 WHERE user_id IS NULL AND metric IS NULL;
	DELETE FROM wearables.source_priorities WHERE user_id = 1;
	DELETE FROM wearables.sample_points WHERE metric_id = (SELECT metric_id FROM wearables.metrics WHERE name = 'heartrate') AND ts < '2026-03-20';});
is_same('a new metric, priorities, rows deleted by SQL');

# --- Rights there

my ($grant, $policy) = blocks('Grant rights on the subscriber');
run_sql($managed, 'shop', $grant);
my $kReads = q{SELECT count(*) > 0 FROM wearables.samples; SELECT count(*) > 0 FROM wearables.timeseries(1, 'heartrate', date '2026-03-01', date '2026-05-01', 'day'); SELECT count(*) > 0 FROM wearables.latest(2);};
run_sql($managed, 'shop', 'CREATE ROLE stranger; GRANT dashboard TO plain; SET ROLE dashboard; ' . $kReads);
like(as_role($managed, 'shop', (getpwuid $<)[0], "SET ROLE stranger; $kReads")->{err}, qr/permission denied for schema wearables/, 'nobody else reads');
like(as_role($managed, 'shop', (getpwuid $<)[0], 'SET ROLE dashboard; DELETE FROM wearables.users')->{err}, qr/permission denied/, 'a reader writes nothing');
run_sql($managed, 'shop', $policy);
is(run_sql($managed, 'shop', "SET ROLE dashboard; SET app.user_id = 2; $kReads"), "t\nf\nt", 'a policy binds views and functions');
is(run_sql($managed, 'shop', "SET ROLE dashboard; $kReads"), "f\nf\nf", 'and shows nothing to whoever names nobody');

# --- Restarts of either side

$managed->stop('immediate');
at_box(beats('carol', 0, 500, 80), 'CALL wearables.drain();');
$managed->start;
is_same('the subscriber was away, rows are under policies');
at_box(beats('carol', 500, 500, 80), 'CALL wearables.drain();');
$box->stop('immediate');
start_again($box);
at_box(beats('carol', 900, 300, 81), 'CALL wearables.drain();');
is_same('the box was away');

# --- An erasure

my $of_bob = q{SELECT (SELECT count(*) FROM wearables.samples WHERE user_id = 2), (SELECT count(*) FROM wearables.timeseries(2, 'heartrate', '2026-01-01Z', '2027-01-01Z')), (SELECT count(*) FROM wearables.latest(2)), (SELECT count(*) FROM wearables.nights(2, '2026-01-01', '2027-01-01'))};
unlike(run_sql($managed, 'shop', $of_bob), qr/\b0\b/, 'bob is there');
at_box('SELECT wearables.erase_user(2);');
$box->wait_for_catchup('wearables');
cmp_ok(run_sql($managed, 'shop', 'SELECT count(*) FROM wearables.sample_points WHERE user_id = 2'), '>', 0, 'nothing is deleted yet');
is(run_sql($managed, 'shop', $of_bob), '0|0|0|0', 'but nothing of him is shown');
at_box('CALL wearables.drain();');
is_same('an erasure');
is(run_sql($managed, 'shop', q{SELECT (SELECT count(*) FROM wearables.sample_points WHERE user_id = 2) + (SELECT count(*) FROM wearables.summaries WHERE user_id = 2) + (SELECT count(*) FROM wearables.connections WHERE user_id = 2) + (SELECT count(*) FROM wearables.users WHERE client_user_id = 'bob')}), '0', 'nothing of him is left');
my $dump = "$PostgreSQL::Test::Utils::tmp_check/managed.sql";
$managed->command_ok([ $managed->installed_command('pg_dump'), '-d', $managed->connstr('shop'), '-f', $dump ], 'the subscriber can be dumped');
my $text = slurp_file($dump);
ok(index($text, 'carol') >= 0 && index($text, 'bob') < 0, 'a dump of it does not name him');
ok(index($text, 'ext-') < 0 && index($text, 'whsec_') < 0, 'nor does it hold ids of the vendor, or secrets');

# --- How long it takes

my @bulk = map { my $event = $_; received(samples_event('carol', 'heartrate', 'fitbit', 'watch', map { [ $first_ts - 86400 * 30 + ($event * $kSamplesAnEvent + $_) * 5, 60 + $_ % 64 / 8 ] } 0 .. $kSamplesAnEvent - 1)) } 0 .. $kSamples / $kSamplesAnEvent - 1;
at_box(@bulk);
my $started = time;
at_box('CALL wearables.drain();');
my $drained = time;
$box->wait_for_catchup('wearables');
note sprintf '%d samples drained in %.1f s, there %.1f s later', $kSamples, $drained - $started, time - $drained;
is_same("$kSamples samples");

# --- Another version: what it publishes less is added

at_box(q{SET client_min_messages = error; CREATE PUBLICATION older FOR TABLE wearables.users (user_id, time_zone), wearables.connections (user_id, provider, status), wearables.sample_points});
$managed->safe_psql('postgres', 'CREATE DATABASE older');
run_sql($managed, 'older', $ddl . q{
	ALTER TABLE wearables.connections DROP COLUMN connected_at, DROP COLUMN version; DROP TABLE wearables.metric_codes; DROP FUNCTION wearables.latest(bigint); DROP VIEW wearables.samples;});
run_sql($managed, 'older', 'CREATE SUBSCRIPTION older CONNECTION ' . literal($conninfo) . ' PUBLICATION older');
wait_until($managed, 'older', $copied, 'an older subscriber is there', '0');
my ($make, $refresh) = blocks('Upgrade the publisher');
run_sql($managed, 'older', $ddl);
at_box($make =~ s/make_publication\(\)/make_publication('older')/r);
run_sql($managed, 'older', $refresh =~ s/wearables/older/r);
wait_until($managed, 'older', $copied, 'what is new is copied', '0');
at_box(q{UPDATE wearables.connections SET last_data_at = last_data_at;});
$box->wait_for_catchup('older');
for my $relation (grep { $_ ne 'wearables.users' } sort keys %digest) { is(run_sql($managed, 'older', $kForms . $digest{$relation}), run_sql($box, 'app', $kForms . $digest{$relation}), "an older subscriber: $relation"); }
run_sql($managed, 'older', 'DROP SUBSCRIPTION older');
at_box('DROP PUBLICATION older');

# --- A subscriber that does not read

my ($watch, $anew) = blocks('Watch it');
is(at_box($watch), '', 'no problem is reported');
run_sql($managed, 'shop', 'ALTER SUBSCRIPTION wearables DISABLE');
$box->safe_psql('postgres', q{ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'});
$box->reload;
at_box('CREATE TABLE filler (n integer); INSERT INTO filler VALUES (1); SELECT pg_switch_wal(); INSERT INTO filler VALUES (1); SELECT pg_switch_wal(); INSERT INTO filler VALUES (1); SELECT pg_switch_wal(); CHECKPOINT; INSERT INTO filler VALUES (1); SELECT pg_switch_wal(); CHECKPOINT;');
like(at_box($watch), qr/^subscriber_lost\|wearables\|WAL that replication slot wearables needs was removed/, 'a lost subscriber is a problem');
like(at_box('SELECT verdict FROM wearables.health'), qr/failing/, 'which health says');
run_sql($managed, 'shop', connecting($anew));
wait_until($managed, 'shop', $copied, 'it begins anew', '0');
is_same('begun anew');
is(at_box($watch), '', 'and the problem is over');

my ($remove) = blocks('Remove it');
run_sql($managed, 'shop', "SET client_min_messages = error; $remove");
is(run_sql($managed, 'shop', "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'wearables%'"), '0', 'nothing of it remains');
$box->stop;
$managed->stop;
done_testing();
