# Every stop point of the road from claim to commit (src/pg/server/stop_point.h), and at each a pause, an error and a kill:
# whatever happened there, the same events end in the same state.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Wearables;

# What leads to a point that an ordinary drain does not reach, or has no work at. %s picks the jobs of the run.
my $kDrain = 'CALL wearables.drain()';
# the first claim is that of a suspect, of which there is none
my @kClaimAndFail = ("SET wearables_ingest.stop_point = 'after claim:error:1'", $kDrain);
my $kLostByCrash = "UPDATE wearables.jobs SET state = 'running', leased_by = 1, leased_at = '2020-01-01', leased_until = '2020-01-02' WHERE %s";
# nothing of a run is read in its user's zone
my $kZoneChanged = "UPDATE wearables.users SET time_zone = 'Asia/Tokyo' WHERE user_id = (SELECT max(user_id) FROM wearables.users WHERE client_user_id LIKE '%alice')";
# somebody who is no part of a run is due
my $kRollupDue = q{SELECT wearables.rebuild_rollups(user_id) FROM wearables.users WHERE client_user_id = 'rolled up'};
# something of each day is dropped again, as it is put back past the floor
my $kRetentionDue = q{INSERT INTO wearables.retention_policies (target, metric, keep_days, enabled) VALUES ('samples', 'steps', 30, true) ON CONFLICT DO NOTHING;
	INSERT INTO wearables.sample_points (user_id, metric_id, ts, source_id, part, value, version)
	SELECT u.user_id, m.metric_id, '2024-05-01Z', 1, 0, 60, 1 FROM wearables.users u, wearables.metrics m WHERE u.client_user_id = 'rolled up' AND m.name = 'steps' ON CONFLICT DO NOTHING;
	SELECT wearables.apply_retention()};
# nothing is asked for a pull that nobody wants any more
my $kPullCancelled = q{SELECT wearables.cancel_backfill(wearables.request_backfill(l.user_id, '', 'heartrate', '2024-05-01', '2024-05-02', l.endpoint))
	FROM wearables.user_links l ORDER BY l.user_id DESC LIMIT 1};
# somebody of whom nothing is stored
my $kErased = q{SELECT wearables.erase_user(wearables.register_user('gone ' || clock_timestamp()))};
# nor for a stream of a resource whose streams nobody wants
my $kStreamUnwanted = q{WITH p AS (INSERT INTO wearables.stream_pulls (user_id, endpoint, external_user_id, resource, document_id, provider, source_type)
	SELECT l.user_id, l.endpoint, l.external_user_id, 'workout_stream', gen_random_uuid(), 'oura', 'ring' FROM wearables.user_links l ORDER BY l.user_id DESC LIMIT 1 RETURNING stream_id)
	SELECT wearables_internal.enqueue_job('stream', 'stream:' || p.stream_id, jsonb_build_object('stream_id', p.stream_id)) FROM p};
# nor the event of a vendor's user who is linked to one person and another in turn
my $kLinkChanged = q{UPDATE wearables.user_links l SET user_id = (SELECT u.user_id FROM wearables.users u
	WHERE u.client_user_id IN ('here', 'there') AND u.user_id <> l.user_id) WHERE l.external_user_id = 'wanders'};
# what a session has left behind it looks for now and then
my $kDrainUntilBack = q{DO $$ BEGIN
	FOR i IN 1 .. 100 LOOP
		CALL wearables.drain();
		EXIT WHEN NOT EXISTS (SELECT FROM wearables.jobs WHERE state = 'running' AND leased_by = pg_backend_pid());
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$};

# a table with a trigger is written by the guarded upsert
my $kGuarded = q{CREATE FUNCTION public.pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
	CREATE TRIGGER pass BEFORE INSERT ON wearables.sample_points FOR EACH ROW EXECUTE FUNCTION public.pass()};
my $kUnguarded = 'DROP FUNCTION public.pass() CASCADE';

# attempts: what an error there costs the run's jobs; skip: how often it is passed with nothing in hand; before, after: what
# is done before the point is met, and when the run has ended
my %points = (
	'claim' => { attempts => 0 },
	'claimed' => { attempts => 0 },
	'after claim' => { attempts => 0, skip => 1 },
	'begin' => { attempts => 1 },
	'finished' => { attempts => 1 },
	'loaded' => { attempts => 1 },
	'park' => { attempts => 1 },
	'parking' => { attempts => 1 },
	'user found' => { attempts => 1 },
	'user locked' => { attempts => 1 },
	'name missing' => { attempts => 1 },
	'names' => { attempts => 1 },
	'read' => { attempts => 1 },
	'document' => { attempts => 1 },
	'looked up' => { attempts => 1 },
	'stored' => { attempts => 1 },
	'judged' => { attempts => 1, before => [$kGuarded], after => $kUnguarded },
	'mark' => { attempts => 1 },
	'marked' => { attempts => 1 },
	'ingested' => { attempts => 1 },
	'before commit' => { attempts => 1 },
	'zone locked' => { attempts => 0, before => [$kZoneChanged] },
	'zone queued' => { attempts => 0, before => [$kZoneChanged] },
	'link changed' => { attempts => 0, before => [$kLinkChanged] },
	'link followed' => { attempts => 0, before => [$kLinkChanged] },
	'former left' => { attempts => 0, before => [$kLinkChanged] },
	'erase locked' => { attempts => 0, before => [$kErased] },
	'erased some' => { attempts => 0, before => [$kErased] },
	'rollup locked' => { attempts => 0, before => [$kRollupDue] },
	'rolled up' => { attempts => 0, before => [$kRollupDue] },
	'frozen' => { attempts => 0, before => [$kRetentionDue] },
	'retained some' => { attempts => 0, before => [$kRetentionDue] },
	'pull ends' => { attempts => 0, before => [$kPullCancelled] },
	'stream ends' => { attempts => 0, before => [$kStreamUnwanted] },
	'after job' => { attempts => 0 },
	# a job that fails by itself, and is a dead letter after it
	'record' => { attempts => 0 },
	'refuse' => { attempts => 0 },
	'give back' => { attempts => 0, first => \@kClaimAndFail, drain => $kDrainUntilBack },
	'found lost' => { attempts => 0, before => \@kClaimAndFail },
	'claimed alone' => { attempts => 0, before => [$kLostByCrash] });

my $node = make_node('stop_points', 'restart_after_crash = on', "wearables_ingest.databases = ''", 'wearables_ingest.retry_base = 0');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'somebody');
my $dsn = $node->connstr('app');
run_sql($node, 'app', q{INSERT INTO wearables.samples (user_id, metric, ts, value)
	SELECT wearables.register_user('rolled up'), 'heartrate', timestamptz '2024-05-01Z' + i * interval '1 minute', 60 FROM generate_series(0, 99) i});

run_sql($node, 'app', q{SELECT wearables.register_user('here', 'wanders'), wearables.register_user('there')});
run_sql($node, 'app', receive_sql(message_id(1000 * (time - 86400), 'wanders'), to_json({ event_type => 'daily.data.heartrate.created', user_id => 'wanders',
	data => { source => { provider => 'garmin', type => 'watch' }, data => [ { timestamp => '2024-05-01T08:00:00Z', value => 60, unit => 'bpm' } ] } })));
run_sql($node, 'app', $kDrain);

is_deeply([ sort keys %points ], [ split /\n/, slurp_file($ENV{WEARABLES_STOP_POINTS}) ], 'every stop point of the sources is here');

# --- One run: its own people and messages, named the same but for a tag

my $base = time - 86400 - time % 86400;
my $runs = 0;

sub night
{
	my ($user, $stop, $average) = @_;
	return document_event($user, 'sleep', 'oura', 'ring',
		{ id => "night-$user", calendar_date => '2024-05-01', bedtime_start => rfc3339($base - 28800), bedtime_stop => rfc3339($base + $stop),
			hr_lowest => 48, average_hrv => $average });
}

# name of the message => [milliseconds of its origin, body]; "late" ones come while a session stands at the point
sub make_run
{
	my $tag = sprintf 'r%d.', $runs++;
	my ($known, $stranger) = ("${tag}alice", "${tag}zoe");
	my $broken = to_json({ event_type => 'daily.data.heartrate.created', client_user_id => $known, data => 'nothing of the kind' });
	my %early = (
		readings => [ 2000, samples_event($known, 'heartrate', 'garmin', 'watch', map { [ $base + 60 * $_, 60 + $_ ] } 1 .. 5) ],
		night => [ 3000, night($known, 0, 60) ],
		device => [ 4000, samples_event($known, 'heartrate', "${tag}maker", 'watch', [ $base, 70 ], [ $base + 60, 5000 ]) ],
		stranger => [ 5000, samples_event($stranger, 'hrv', 'garmin', 'watch', [ $base, 41 ]) ],
		garbage => [ 6000, 'not json' ],
		broken => [ 7000, $broken ],
		connected => [ 8000, connection_event($known, 'created', 'garmin') ]);
	my %late = (
		newer => [ 9000, samples_event($known, 'heartrate', 'garmin', 'watch', map { [ $base + 60 * $_, 80 + $_ ] } 3 .. 7) ],
		older => [ 1000, samples_event($known, 'heartrate', 'garmin', 'watch', map { [ $base + 60 * $_, 40 + $_ ] } 0 .. 4) ],
		night_moved => [ 10000, night($known, 600, undef) ],
		stranger_again => [ 11000, samples_event($stranger, 'hrv', 'garmin', 'watch', [ $base, 42 ]) ],
		disconnected => [ 12000, connection_event($known, 'error', 'garmin', 'token_refresh_failed') ]);
	my %run = (tag => $tag, names => {});
	for my $part ([ early => \%early ], [ late => \%late ])
	{
		my ($when, $messages) = @$part;
		for my $name (sort { $messages->{$a}[0] <=> $messages->{$b}[0] } keys %$messages)
		{
			my $id = message_id(($base + 43200) * 1000 + $messages->{$name}[0], "$tag$name");
			$run{names}{$id} = $name;
			push @{ $run{$when} }, receive_sql($id, $messages->{$name}[1]);
		}
	}
	my $ids = join ',', map { literal($_) } sort keys %{ $run{names} };
	$run{events} = "(SELECT e.event_id FROM wearables.webhook_events e WHERE e.message_id IN ($ids))";
	$run{jobs} = "event_id IN $run{events}";
	$run{register} = sprintf 'SELECT wearables.register_user(%s, %s);', literal($stranger), literal("ext-$stranger");
	run_sql($node, 'app', sprintf 'SELECT wearables.register_user(%s, %s);', literal($known), literal("ext-$known"));
	return \%run;
}

# The end of a run: by names, with those of its own replaced by what they stand for.
sub state_of
{
	my ($run) = @_;
	my $of_user = 'u.client_user_id LIKE ' . literal("$run->{tag}%");
	my $said = run_sql($node, 'app', <<SQL);
SELECT concat_ws(' ', 'event', e.message_id, e.event_type, e.status, u.client_user_id, e.error, e.note, 'readings',
                 e.inserted + e.changed + e.confirmed + e.unchanged + e.stale + e.quarantined, 'seen', d.count,
                 sha256(convert_to(replace(convert_from(e.payload, 'UTF8'), '$run->{tag}', ''), 'UTF8')))
FROM wearables.webhook_events e LEFT JOIN wearables.users u USING (user_id)
LEFT JOIN wearables.deliveries d ON d.endpoint = e.endpoint AND d.message_id = e.message_id AND d.event_id = e.event_id
WHERE e.event_id IN $run->{events};
SELECT concat_ws(' ', 'job', e.message_id, j.state, j.last_sqlstate, j.last_error)
FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id) WHERE e.event_id IN $run->{events};
SELECT concat_ws(' ', 'parked', e.message_id)
FROM wearables.parked_events JOIN wearables.webhook_events e USING (event_id) WHERE e.event_id IN $run->{events};
SELECT concat_ws(' ', 'refused', e.message_id, q.ordinal, q.pointer, q.reason, q.metric, q.detail)
FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) WHERE e.event_id IN $run->{events};
SELECT concat_ws(' ', 'sample', u.client_user_id, s.metric, s.ts, s.provider, s.source_type, s.channel, s.value, s.value_secondary, s.unit, s.ts_end,
                 s.tz_offset, 'day ' || s.day, 'of', (SELECT e.message_id FROM wearables.webhook_events e WHERE e.version = s.version AND e.event_id IN $run->{events}))
FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE $of_user;
SELECT concat_ws(' ', 'document', u.client_user_id, s.resource, s.summary_id, o.provider, s.first_ts, s.last_ts, cardinality(s.samples), s.doc, 'of', e.message_id)
FROM wearables.summaries s JOIN wearables.users u USING (user_id) JOIN wearables.sources o USING (source_id) LEFT JOIN wearables.webhook_events e USING (event_id)
WHERE $of_user;
SELECT concat_ws(' ', 'connection', u.client_user_id, c.provider, c.status, c.error_type, c.connected_at, c.last_data_at,
                 'of', (SELECT e.message_id FROM wearables.webhook_events e WHERE e.version = c.version AND e.event_id IN $run->{events}))
FROM wearables.connections c JOIN wearables.users u USING (user_id) WHERE $of_user;
SELECT concat_ws(' ', 'lifecycle', u.client_user_id, c.provider, c.kind, c.error_type, c.at, 'of', e.message_id)
FROM wearables.connection_events c JOIN wearables.users u USING (user_id) LEFT JOIN wearables.webhook_events e USING (event_id) WHERE $of_user;
SELECT concat_ws(' ', 'source', o.provider, o.source_type, o.channel) FROM wearables.sources o WHERE o.provider LIKE '$run->{tag}%';
SQL
	$said =~ s/\Q$_\E/$run->{names}{$_}/g for keys %{ $run->{names} };
	$said =~ s/\Q$run->{tag}\E//g;
	return join '', map { "$_\n" } sort split /\n/, $said;
}

# Whatever was put off or is to be tried again is due at once; gives up after some rounds.
sub finish
{
	my ($run) = @_;
	my $due = "UPDATE wearables.jobs SET run_at = clock_timestamp() WHERE state = 'ready' AND run_at > clock_timestamp();";
	for (1 .. 50)
	{
		my $left = run_sql($node, 'app', "$due CALL wearables.drain(); $due CALL wearables.drain();
			SELECT count(*) FROM wearables.jobs WHERE state <> 'failed';");
		last if $left == 0;
		usleep(20_000);
	}
	return state_of($run);
}

# A test: its end is that of a run without a stop.
my $reference;

sub ends_alike
{
	my ($run) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %lines;
	$lines{$_}-- for split /\n/, $reference;
	$lines{$_}++ for split /\n/, finish($run);
	return is(join('', map { ($lines{$_} < 0 ? '-' : '+') . " $_\n" } grep { $lines{$_} } sort keys %lines), '', '- and all is as without it');
}

# --- Sessions

# A session of its own that runs these statements, from error to error.
sub start_psql
{
	my ($name, @statements) = @_;
	my $errors = "$PostgreSQL::Test::Utils::tmp_check/$name.err";
	my $run = IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', "$dsn application_name=$name", map { ('-c', $_) } @statements ],
		'<', '/dev/null', '>', '/dev/null', '2>', $errors);
	return { run => $run, errors => $errors };
}

# Waits for its end; what errors it met, as SQLSTATEs.
sub end_of
{
	my ($session) = @_;
	$session->{run}->finish;
	return slurp_file($session->{errors}) =~ /(?:ERROR|FATAL|PANIC): +(\w{5})\b/g;
}

my $log_read;

# Whether the log says so, from where it was when the run began.
sub is_reached
{
	my ($point, $action) = @_;
	return index(slurp_file($node->logfile, $log_read), qq{stop point "$point": $action}) >= 0;
}

sub start_stopping
{
	my ($run, $point, $action, @settings) = @_;
	my %situation = %{ $points{$point} };
	end_of(start_psql('before', map { s{%s}{$run->{jobs}}r } @{ $situation{before} })) if $situation{before};
	$log_read = -s $node->logfile;
	return start_psql('stops', @settings, @{ $situation{first} // [] },
		"SET wearables_ingest.stop_point = '$point:$action:" . ($situation{skip} // 0) . "'", $situation{drain} // $kDrain);
}

sub begin_run
{
	my (@parts) = @_;
	my $run = make_run();
	run_sql($node, 'app', join '', map { @{ $run->{$_} } } @parts);
	return $run;
}

# --- What it must come to

$reference = do
{
	my $run = begin_run('early', 'late');
	run_sql($node, 'app', 'CALL wearables.drain();');
	run_sql($node, 'app', $run->{register});
	finish($run);
};
is(join(' ', map { scalar(() = $reference =~ /^$_ /mg) } qw(event job parked refused sample document connection lifecycle source)),
	'12 2 0 1 12 1 4 2 1', 'without a stop: everything that can come of an event');

for my $point (sort keys %points)
{
	my $run = begin_run('early', 'late');
	# what failed stays, to be counted
	end_of(start_stopping($run, $point, 'error', 'SET wearables_ingest.retry_base = 3600'));
	ok(is_reached($point, 'error'), "$point: error");
	is(run_sql($node, 'app', "SELECT coalesce(sum(attempt), 0) FROM wearables.jobs WHERE $run->{jobs} AND state <> 'failed'"),
		$points{$point}{attempts}, '- it counts as it should');
	run_sql($node, 'app', $run->{register});
	ends_alike($run);
	run_sql($node, 'app', $points{$point}{after}) if $points{$point}{after};
}

my $holder = $node->background_psql('app');
for my $point (sort keys %points)
{
	my $run = begin_run('early');
	$holder->query_safe('SELECT pg_advisory_lock(4711)');
	my $stopped = start_stopping($run, $point, 'pause');
	for (1 .. 1000)
	{
		last if is_reached($point, 'pause');
		usleep(5000);
	}
	ok(is_reached($point, 'pause'), "$point: pause");
	run_sql($node, 'app', join '', @{ $run->{late} });
	my @others = (
		start_psql('drains', $kDrain),
		start_psql('replays', "SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE $run->{jobs}"),
		start_psql('registers', $run->{register}));
	# until each has ended or waits for the one that stands there
	for (1 .. 500)
	{
		usleep(5000);
		my $running = grep { $_->{run}->pumpable } @others;
		last if $running == $holder->query_safe("SELECT count(*) FROM pg_stat_activity
			WHERE application_name IN ('drains', 'replays', 'registers') AND wait_event_type = 'Lock'");
	}
	$holder->query_safe('SELECT pg_advisory_unlock(4711)');
	# a replay may have to be done again
	my @surprises = grep { $_ ne '40001' && !($_ eq 'XX000' && $points{$point}{first}) } map { end_of($_) } $stopped, @others;
	ends_alike($run);
	run_sql($node, 'app', $points{$point}{after}) if $points{$point}{after};
	is("@surprises", '', '- and nobody met an error');
}
$holder->quit;

for my $point (sort keys %points)
{
	my $run = begin_run('early', 'late');
	my $restarts = restart_count($node);
	end_of(start_stopping($run, $point, 'kill'));
	for (1 .. 50 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if restart_count($node) > $restarts || !is_reached($point, 'kill');
		usleep(20_000);
	}
	ok(is_reached($point, 'kill') && restart_count($node) == $restarts + 1, "$point: kill");
	run_sql($node, 'app', $run->{register});
	ends_alike($run);
	run_sql($node, 'app', $points{$point}{after}) if $points{$point}{after};
}

$node->stop;
done_testing();
