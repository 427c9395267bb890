# Weeks go to the archive and come back, twice, while a worker runs, deliveries arrive and events of these weeks are replayed:
# nothing is lost, nothing is there twice, and nobody waits for it. Beside a session that reads webhook_events without an end
# the archive waits, and holds up nobody.
use strict;
use warnings FATAL => 'all';
use Cwd qw(abs_path);
use File::Find qw(find);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $python = $ENV{WEARABLES_ARCHIVE_PYTHON} // '';
plan skip_all => $ENV{WEARABLES_NO_ARCHIVE_PYTHON} || 'WEARABLES_ARCHIVE_PYTHON does not name the python that test/run installs'
  if $python eq '';
my ($dest) = ($ENV{WEARABLES_CONF} // '') =~ m{'([^':]*/dest)[/:']};
my $program;
find({ no_chdir => 1, wanted => sub { $program = $_ if m{/wearables-archive$} } }, $dest);

my $kOld = 150;  # events of each week
my $first_ts = (int(time) - 86400 * 3) - (time % 60);
my $folder = abs_path($PostgreSQL::Test::Utils::tmp_check) . '/archive_live';
mkdir $folder;
my $node = make_node('archive_live', "wearables_ingest.databases = 'postgres'", 'wearables_ingest.naptime = 100ms', 'wearables_ingest.retry_base = 0');
$node->start;
install($node, 'postgres', map { "p$_" } 0 .. 9);
run_sql($node, 'postgres', q{CREATE ROLE archiver LOGIN; SELECT wearables.grant_access('archiver', 'archiver')});
my $conninfo = $node->connstr('postgres') . ' user=archiver';

# Sessions in the server that go on until they are told to stop, and note how long they waited and what went wrong. Each event
# has a reading of its own minute, so samples are counted like events.
run_sql($node, 'postgres', <<"SQL");
CREATE TABLE running AS SELECT 'sent' AS phase;
CREATE TABLE noted (who text, phase text, ms double precision, error text);
CREATE SEQUENCE reading;
CREATE FUNCTION send() RETURNS text LANGUAGE sql AS \$\$
  SELECT (wearables.receive(wearables.signed_headers('message-' || n.n, now(), b.body, '@{[secret()]}'), b.body)).status
  FROM (SELECT nextval('reading') OFFSET 0) n (n), LATERAL (SELECT convert_to(json_build_object('event_type', 'daily.data.heartrate.created',
    'client_user_id', 'p' || n.n % 10, 'user_id', 'ext-p' || n.n % 10, 'data', json_build_object('source', json_build_object('provider', 'garmin', 'type', 'watch'),
      'data', json_build_array(json_build_object('timestamp', to_timestamp($first_ts - n.n * 60), 'value', 60 + n.n % 60, 'timezone_offset', 0))))::text, 'UTF8') AS body) b
\$\$;
CREATE FUNCTION replay_some() RETURNS text LANGUAGE sql AS \$\$
  SELECT 'failed: ' || (r.t).failed FROM (
    SELECT wearables.replay(e.event_id) AS t FROM (SELECT event_id FROM wearables.webhook_events WHERE received_at < '2026-04-06' ORDER BY random() LIMIT 3) e) r
  WHERE (r.t).failed > 0
\$\$;
CREATE PROCEDURE keep_on(who text, statement text, wanted text) LANGUAGE plpgsql AS \$\$
DECLARE began timestamptz; answer text; now_in text;
BEGIN
  LOOP
    SELECT phase INTO now_in FROM running;
    EXIT WHEN NOT FOUND;
    COMMIT;
    -- where the archive only waits, nobody stands behind it
    PERFORM set_config('lock_timeout', CASE now_in WHEN 'read' THEN '50ms' ELSE '500ms' END, false);
    began := clock_timestamp();
    BEGIN
      EXECUTE statement INTO answer;
    EXCEPTION WHEN OTHERS THEN answer := sqlstate || ' ' || sqlerrm;
    END;
    INSERT INTO noted VALUES (who, now_in, extract(epoch FROM clock_timestamp() - began) * 1000, nullif(answer, wanted));
    COMMIT;
    PERFORM pg_sleep(0.002);
  END LOOP;
END \$\$;
SQL

sub phase { my ($name) = @_; return run_sql($node, 'postgres', "UPDATE running SET phase = '$name'") }

sub start_session
{
	my ($call) = @_;
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', 'SET client_min_messages = error', '-c', $call ],
		'<', '/dev/null', '>', \$out, '2>', \$err);
	return { run => $run, err => \$err };
}

sub start_archive
{
	my ($out, $err) = ('', '');
	my $run = IPC::Run::start([ $python, $program, '--under', "file://$folder", $conninfo ], '<', '/dev/null', '>', \$out, '2>', \$err);
	return { run => $run, out => \$out, err => \$err };
}

sub archive
{
	my ($what) = @_;
	run_sql($node, 'postgres', "SELECT wearables.$what");
	my $run = start_archive();
	ok($run->{run}->finish, "$what ends well") or diag(${ $run->{out} }, ${ $run->{err} });
	return run_sql($node, 'postgres', 'SELECT state, rows, error, note FROM wearables.archives ORDER BY archive_id DESC LIMIT 1');
}
sub of_weeks { return run_sql($node, 'postgres', q{SELECT count(*), count(DISTINCT message_id) FROM wearables.webhook_events WHERE received_at < '2026-04-06'}) }
sub errors { my ($who) = @_; return run_sql($node, 'postgres', "SELECT phase, count(*), error FROM noted WHERE who = '$who' AND error IS NOT NULL GROUP BY 1, 3") }
sub longest { my ($who) = @_; return run_sql($node, 'postgres', "SELECT string_agg(format('%s: %s of %s at most %s ms', phase, who, n, round(ms)), E'\\n') FROM (SELECT who, phase, count(*) AS n, max(ms) AS ms FROM noted WHERE who = '$who' GROUP BY 1, 2) x") }

for my $monday ('2026-03-23', '2026-03-30')
{
	run_sql($node, 'postgres', "SELECT count(*) FROM generate_series(1, $kOld) i, LATERAL (SELECT send() WHERE i > 0) s");
	queue_is_empty($node, 'postgres', 'the events of a week are processed');
	run_sql($node, 'postgres', qq{UPDATE wearables.webhook_events SET received_at = '$monday 12:00Z' WHERE received_at > now() - interval '1 day'});
}
$node->poll_query_until('postgres', q{SELECT wearables.make_event_partitions() >= 0 AND wearables_internal.partition_of_week('2026-03-30') IS NOT NULL});

# --- Under load: to the archive and back, twice

phase('moved');
my @sessions = map { start_session($_) }
  ("CALL keep_on('receive', 'SELECT send()', 'accepted')", "CALL keep_on('receive', 'SELECT send()', 'accepted')", "CALL keep_on('replay', 'SELECT replay_some()', NULL)");
wait_until($node, 'postgres', q{SELECT count(DISTINCT who) = 2 FROM noted WHERE phase = 'moved'}, 'deliveries and replays go on');
for my $round (1, 2)
{
	# an event that is replayed at the moment keeps its week here; it is asked for again
	for (1 .. 20)
	{
		archive("archive_events('2026-04-20', 'file://$folder')");
		last if of_weeks() eq '0|0';
	}
	is(of_weeks(), '0|0', "round $round: the weeks are archived");
	is(run_sql($node, 'postgres', q{SELECT sum(rows) FROM wearables.archived_files WHERE state = 'archived'}), 2 * $kOld, '... all of them');
	like(archive("restore_events('file://$folder/events')"), qr/^done\|@{[2 * $kOld]}\|\|$/, '... and restored');
	is(of_weeks(), 2 * $kOld . '|' . 2 * $kOld, '... each event once');
}

# --- Beside a session that reads webhook_events for as long as it likes

my $reader = $node->background_psql('postgres');
$reader->query_safe('BEGIN; SELECT count(*) FROM wearables.webhook_events');
# it has used them for more than a moment
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'idle in transaction' AND xact_start < now() - interval '1 second'});
phase('read');
run_sql($node, 'postgres', "SELECT wearables.archive_events('2026-04-20', 'file://$folder')");
my $run = start_archive();
wait_until($node, 'postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE '%finish_week%'}, 'the archive waits for the reader');
my $since = run_sql($node, 'postgres', q{SELECT count(*) FROM noted WHERE who = 'receive'});
wait_until($node, 'postgres', qq{SELECT count(*) >= $since + 200 FROM noted WHERE who = 'receive'}, 'deliveries go on');
is(of_weeks(), 2 * $kOld . '|' . 2 * $kOld, 'the weeks are there');
phase('moved again');
$reader->query_safe('COMMIT');
$reader->quit;
ok($run->{run}->finish, 'when the reader has ended, the archive goes on') or diag(${ $run->{out} }, ${ $run->{err} });
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.archived_files WHERE state = 'writing'}), '0', '... and leaves nothing half done');
archive("restore_events('file://$folder/events')");

# --- Nothing is lost, nothing is there twice

run_sql($node, 'postgres', 'DELETE FROM running');
$_->{run}->finish for @sessions;
is(join('', map { ${ $_->{err} } } @sessions), '', 'the sessions end without an error');
queue_is_empty($node, 'postgres');
is(errors('receive'), '', 'each delivery is accepted, and none waits for a lock for 500 ms, beside the reader 50 ms');
is(errors('replay'), '', 'nor does a replay');
note(longest('receive'));
note(longest('replay'));
is(run_sql($node, 'postgres', q{SELECT count(*), count(DISTINCT event_id), count(DISTINCT message_id), min(status), max(status) FROM wearables.webhook_events}),
	run_sql($node, 'postgres', q{SELECT last_value, last_value, last_value, 'processed', 'processed' FROM reading}), 'each event is there once, and processed');
is(run_sql($node, 'postgres', q{SELECT count(*) FROM wearables.deliveries d JOIN wearables.webhook_events e USING (event_id, message_id)}), run_sql($node, 'postgres', 'SELECT last_value FROM reading'), '... as the ledger has it');
is(run_sql($node, 'postgres', 'SELECT count(*), count(DISTINCT ts) FROM wearables.samples'), run_sql($node, 'postgres', 'SELECT last_value, last_value FROM reading'), 'each reading is there once');
is(run_sql($node, 'postgres', 'SELECT (r.t).processed, (r.t).unchanged, (r.t).failed FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events) r'),
	run_sql($node, 'postgres', 'SELECT last_value, last_value, 0 FROM reading'), 'and replayed they change nothing');

$node->stop;
done_testing();
