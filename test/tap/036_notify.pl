# NOTIFY wearables_samples: who is told what, of each way to write samples; what the limit does to it; and that nobody who
# writes waits for it, or fails by it.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Wearables;

# nobody looks at the clock: what is told is told because somebody was woken, or waits for the limit
my $node = make_node('notify', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 1h', "timezone = 'Asia/Kolkata'", 'max_prepared_transactions = 2',
	'wal_level = replica', 'max_wal_senders = 2');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', qw(alice bob));
my ($alice, $bob) = map { run_sql($node, 'app', "SELECT user_id FROM wearables.users WHERE client_user_id = '$_'") } qw(alice bob);
run_sql($node, 'app', q{CREATE ROLE stranger LOGIN});
my $noon = 1_774_785_600;  # 2026-03-29T12:00:00Z
my $made = 0;

# --- Helpers

# Anybody who can connect hears it.
my $listener = $node->background_psql('app', extra_params => [ '-U', 'stranger' ]);
$listener->set_query_timer_restart();
$listener->query_safe('LISTEN wearables_samples');

sub heard
{
	my ($printed) = $listener->query('SELECT 1');
	return map { JSON::PP::decode_json($_) } $printed =~ /^Asynchronous notification "wearables_samples" with payload "(.*)" received from/mg;
}

# The next notifications, as many as are expected; too many are seen by quiet().
sub hear
{
	my ($count, $seconds) = @_;
	my @heard;
	for (my $until = time + ($seconds // 60); time < $until && @heard < $count; usleep(20_000)) { push @heard, heard(); }
	return @heard;
}

sub quiet
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	usleep(700_000);
	return is(scalar(() = heard()), 0, $what);
}

sub told
{
	my ($expected, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is_deeply([ sort { ($a->{user_id} // 0) <=> ($b->{user_id} // 0) } hear(scalar @$expected) ], $expected, $what);
}

sub notice { my ($user, $metrics, $from, $to) = @_; return { user_id => $user && 0 + $user, metrics => $metrics, from => $from, to => $to }; }
sub insert { my ($user, $metric, $ts, $value) = @_; return "INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES ($user, '$metric', '$ts', $value);"; }

# The setting, in all sessions.
sub limit
{
	my ($a_second) = @_;
	$node->safe_psql('app', "ALTER SYSTEM SET wearables_ingest.notify_samples = $a_second");
	$node->reload;
	wait_until($node, 'app', "SELECT current_setting('wearables_ingest.notify_samples')::int = $a_second", "the limit is $a_second a second");
	usleep(200_000);
	return;
}

sub send_heartrate
{
	my ($user, @values) = @_;
	my $start = $noon + 3600 * $made++;
	deliver($node, 'app', message_id(1000 * $start, $made), samples_event($user, 'heartrate', 'garmin', 'watch', map { [ $start + 60 * $_, $values[$_] ] } 0 .. $#values));
	return;
}

# --- As shipped

send_heartrate('alice', 60, 61, 62);
queue_is_empty($node, 'app');
quiet('nobody is told anything as shipped');

# --- Each way to write

limit(100);
send_heartrate('alice', 60, 61, 62);
told([ notice($alice, ['heartrate'], '2026-03-29T13:00:00.000000Z', '2026-03-29T13:02:00.000001Z') ], 'what a worker has written is told, once for the event');
$node->safe_psql('app', 'SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events');
quiet('a replay that changes nothing is not told');
run_sql($node, 'app', insert($alice, 'body_weight', '2026-03-29T08:00:00Z', 70) . insert($bob, 'body_weight', '2026-03-29T09:00:00Z', 80));
told([ notice($alice, ['body_weight'], '2026-03-29T08:00:00.000000Z', '2026-03-29T08:00:00.000001Z'), notice($bob, ['body_weight'], '2026-03-29T09:00:00.000000Z', '2026-03-29T09:00:00.000001Z') ],
	'rows that somebody inserts are told by a worker who is woken');
run_sql($node, 'app', 'BEGIN;' . insert($alice, 'body_weight', '2026-03-29T10:00:00Z', 71) . insert($alice, 'heartrate', '2026-03-29T11:00:00Z', 66) . 'SAVEPOINT s;' . insert($alice, 'heartrate', '2026-03-30T11:00:00Z', 67) . 'ROLLBACK TO s; SAVEPOINT t;'
	  . insert($alice, 'heartrate', '2026-03-29T07:00:00Z', 68) . 'RELEASE t; COMMIT');
told([ notice($alice, [qw(body_weight heartrate)], '2026-03-29T07:00:00.000000Z', '2026-03-29T11:00:00.000001Z') ], 'a transaction is one notification a user, without what it took back');
run_sql($node, 'app', 'BEGIN;' . insert($alice, 'body_weight', '2026-03-29T12:00:00Z', 71) . 'ROLLBACK');
run_sql($node, 'app', insert($alice, 'body_weight', '2026-03-29T10:00:00Z', 71));
quiet('neither what is rolled back nor an equal value, though its version is newer');
run_sql($node, 'app', 'BEGIN;' . insert($alice, 'body_weight', '2026-03-29T12:00:00Z', 71) . "PREPARE TRANSACTION 'p'; COMMIT PREPARED 'p'");
quiet('nor a prepared transaction');
run_sql($node, 'app', 'SET wearables_ingest.notify_samples = 0;' . insert($alice, 'body_weight', '2026-03-29T13:00:00Z', 71));
quiet('nor what a session wrote that has switched it off');

# a document, and its correction, which takes readings away
my $id = '0f3c6b1e-0000-4000-8000-000000000001';
my %night = (id => $id, bedtime_start => '2026-03-28T22:00:00+00:00', bedtime_stop => '2026-03-29T06:00:00+00:00', calendar_date => '2026-03-29', timezone_offset => 0, duration => 28800, total => 25200, awake => 3600, efficiency => 90, hr_lowest => 48);
deliver($node, 'app', message_id(1000 * $noon, 'night'), document_event('alice', 'sleep', 'oura', 'ring', \%night));
my ($first) = hear(1);
ok((grep { $_ eq 'heart_rate_lowest' } @{ $first->{metrics} // [] }), 'a document is told by the metrics that came of it') or diag explain $first;
$night{hr_lowest} = undef;
deliver($node, 'app', message_id(1000 * $noon + 4000, 'later'), document_event('alice', 'sleep', 'oura', 'ring', \%night));
my ($corrected) = hear(1);
is_deeply($corrected, notice($alice, [qw(heart_rate_lowest heartrate)], $corrected->{from}, $corrected->{to}), 'readings that a correction takes away are told, and no others of the document');

# --- Too much to list

my $many = run_sql($node, 'app', sprintf q{
  WITH m AS (INSERT INTO wearables.metrics (name, unit, aggregate) SELECT 'custom_' || i, 'count', 'avg' FROM generate_series(1, 33) i RETURNING name)
  SELECT count(*) FROM m});
is($many, 33, 'there are more metrics than are listed');
run_sql($node, 'app', "INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT $bob, 'custom_' || i, '2026-03-01T00:00:00Z', 1 FROM generate_series(1, 33) i");
told([ notice($bob, undef, '2026-03-01T00:00:00.000000Z', '2026-03-01T00:00:00.000001Z') ], 'of too many metrics the payload lists none');
run_sql($node, 'app', q{UPDATE wearables.metrics SET name = 'custom/' || repeat('😀', 95) || metric_id WHERE name LIKE 'custom%'});
run_sql($node, 'app', "INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT $bob, name, '2026-03-02T00:00:00Z', 1 FROM wearables.metrics WHERE name LIKE 'custom%' LIMIT 30");
told([ notice($bob, undef, '2026-03-02T00:00:00.000000Z', '2026-03-02T00:00:00.000001Z') ], 'nor of metrics whose names are too long for one');

# --- The limit

limit(2);
my $began = time;
run_sql($node, 'app', insert($alice, 'body_weight', "2026-04-01T00:00:${_}Z", 70)) for 10 .. 29;
run_sql($node, 'app', insert($bob, 'body_weight', '2026-04-01T00:00:59Z', 70));
my @heard = hear(99, 4);
my $writing = @heard;
cmp_ok($writing, '>=', 2, 'beyond the limit fewer are sent than transactions there were');
cmp_ok($writing, '<=', 2 + 2 * (time - $began), 'and not more than the limit allows');
my %last = map { $_->{user_id} => $_ } @heard;
my @alices = grep { $_->{user_id} == $alice } @heard;
is((sort map { $_->{from} } @alices)[0], '2026-04-01T00:00:10.000000Z', 'what waited is merged: the first reading is covered');
is((sort map { $_->{to} } @alices)[-1], '2026-04-01T00:00:29.000001Z', 'and the last');
is_deeply($last{$bob}, notice($bob, ['body_weight'], '2026-04-01T00:00:59.000000Z', '2026-04-01T00:00:59.000001Z'), 'another user has their own');

# more users than are kept
run_sql($node, 'app', q{SELECT wearables.register_user('crowd' || i) FROM generate_series(1, 600) i});
run_sql($node, 'app', q{INSERT INTO wearables.samples (user_id, metric, ts, value) SELECT user_id, 'body_weight', '2026-04-02T00:00:00Z', 70 FROM wearables.users WHERE client_user_id LIKE 'crowd%'});
told([ notice(undef, undef, undef, undef) ], 'of too many users at once one notification tells that any may have changed');
quiet('and nothing else is sent');

# --- Who writes does not wait for who notifies

limit(1000);
# a commit that waits for a standby keeps the lock that every commit with a notification takes
$node->safe_psql('app', q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'});
$node->reload;
wait_until($node, 'app', q{SELECT current_setting('synchronous_standby_names') = 'nobody'}, 'commits wait for a standby');
usleep(200_000);
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', q{CREATE TABLE public.written (); SELECT pg_notify('other', 'x')} ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'object' AND database = 0 AND granted AND mode = 'AccessExclusiveLock'}, 'one that notifies waits');
$began = time;
run_sql($node, 'app', 'SET synchronous_commit = local; SET lock_timeout = 1;' . insert($alice, 'body_weight', "2026-04-01T01:00:${_}Z", 70)) for 10 .. 14;
cmp_ok(time - $began, '<', 10, 'who writes samples does not wait for it');
quiet('the worker cannot send');
wait_until($node, 'app', q{SELECT bool_or(last_sqlstate = '55P03') FROM wearables.workers}, 'and its status says why');
run_sql($node, 'app', q{SET synchronous_commit = local; ALTER SYSTEM SET synchronous_standby_names = ''});
$node->reload;
$holder->finish;
my @late = hear(1);
is($late[0]{from}, '2026-04-01T01:00:10.000000Z', 'what could not be sent is sent later');
is($late[0]{to}, '2026-04-01T01:00:14.000001Z', 'all of it');

# --- An erased user

send_heartrate('bob', 70);
told([ notice($bob, ['heartrate'], '2026-03-29T14:00:00.000000Z', '2026-03-29T14:00:00.000001Z') ], 'a user is told of');
run_sql($node, 'app', "SELECT wearables.erase_user($bob)");
told([ notice($bob, undef, undef, undef) ], 'an erasure is told at once: read again, and there is nothing');
queue_is_empty($node, 'app', 'and goes on');
quiet('its batches, of what nobody sees any more, are not told');

# --- Without a worker

$node->append_conf('postgresql.conf', "wearables_ingest.databases = ''");
$node->reload;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}, 'the worker ends');
send_heartrate('alice', 71);
run_sql($node, 'app', insert($alice, 'body_weight', '2026-04-03T00:00:00Z', 70));
quiet('without a worker what is written waits');
# what it has done itself may have to wait for the next call: so soon after the first nothing more is sent
my @drained;
for (1 .. 2) { run_sql($node, 'app', 'CALL wearables.drain()'); usleep(200_000); push @drained, heard(); }
is_deeply([ sort { $a cmp $b } map { @{ $_->{metrics} } } @drained ], [ 'body_weight', 'heartrate' ], 'two calls of drain() tell of what waited and of what was done');

$listener->quit;
$node->stop;
done_testing();
