# What was acknowledged survives whatever ends the server, and is worked on to the same end.
use strict;
use warnings FATAL => 'all';
use Digest::SHA qw(sha256_hex);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use Wearables;

my $kClients = 4;
my $kPerRound = 300;
my $kSamples = 12;
my @users = map { "u$_" } 0 .. 7;
my $first_ms = (time - 7200) * 1000;
my $first_ts = (time - 86400 * 2) - (time % 60);

# nobody flushes the log but who must
my $node = make_node('crash', 'restart_after_crash = on', 'synchronous_commit = off', 'wal_writer_delay = 10s', "wearables_ingest.databases = 'app,poison'",
	'wearables_ingest.workers = 2', 'wearables_ingest.max_attempts = 30', 'wearables_ingest.retry_base = 0',
	"wearables_ingest.stop_point = 'user locked:pause'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', @users);

# Claims of jobs whose session was lost leave a trace: an attempt that is counted twice would violate the key.
run_sql($node, 'app', <<'SQL');
CREATE TABLE public.claims (job_id bigint, attempt integer, PRIMARY KEY (job_id, attempt));
CREATE FUNCTION public.note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.claims VALUES (NEW.job_id, NEW.attempt);
  RETURN NULL;
END $$;
CREATE TRIGGER note_claim AFTER UPDATE ON wearables.jobs FOR EACH ROW
  WHEN (NEW.state = 'running' AND NEW.suspect) EXECUTE FUNCTION public.note_claim();
-- A delivery that waits in the middle of being received, while somebody holds the gate.
CREATE TABLE public.gated (message_id text PRIMARY KEY);
CREATE FUNCTION public.wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT FROM public.gated g WHERE g.message_id = NEW.message_id) THEN PERFORM pg_advisory_xact_lock_shared(42); END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER wait_at_gate BEFORE INSERT ON wearables.deliveries FOR EACH ROW EXECUTE FUNCTION public.wait_at_gate();
SQL

$node->safe_psql('app', 'CHECKPOINT');

my %messages;    # id -> {body, acks, sends}
my %expected;    # "user|epoch" -> value; ids are made in rising order of time, so the last one wins
my $made = 0;

sub make_message
{
	my $i = $made++;
	my $user = $users[ $i % @users ];
	my @samples = map { [ $first_ts + (($i * 5 + $_) % 400) * 60, 40 + $i % 150 + $_ / 64 ] } 1 .. $kSamples;
	my $id = message_id($first_ms + $i * 8, $i);
	$messages{$id} = { body => samples_event($user, 'heartrate', 'garmin', 'watch', @samples), acks => 0, sends => 0 };
	$expected{"$user|$_->[0]"} = $_->[1] for @samples;
	return $id;
}

# Sends from several sessions at once; each line of an answer file stands for a statement that returned,
# and so for a transaction that was committed.
sub start_clients
{
	my (@ids) = @_;
	my @clients;
	for my $c (0 .. $kClients - 1)
	{
		my @share = @ids[ grep { $_ % $kClients == $c } 0 .. $#ids ];
		my $script = "$PostgreSQL::Test::Utils::tmp_check/send$c.sql";
		my $answers = "$PostgreSQL::Test::Utils::tmp_check/send$c.out";
		unlink $script, $answers;
		append_to_file($script, join '', map { receive_sql($_, $messages{$_}{body}) } @share);
		my @psql = ($node->installed_command('psql'), '-XAtq', '-d', $node->connstr('app'), '-f', $script);
		my $run = IPC::Run::start(\@psql, '<', '/dev/null', '>', $answers, '2>', "$answers.err");
		push @clients, { run => $run, answers => $answers, ids => \@share };
	}
	return @clients;
}

sub answers_of
{
	my ($client) = @_;
	return -e $client->{answers} ? grep { /^msg_.*\n/ } split /(?<=\n)/, slurp_file($client->{answers}) : ();
}

sub wait_for_answers
{
	my ($wanted, @clients) = @_;
	for (1 .. 500 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $answers = 0;
		$answers += () = answers_of($_) for @clients;
		return if $answers >= $wanted;
		usleep(2000);
	}
	die 'the clients get no answers';
}

# Waits for the clients to end, whatever ended them; returns how many deliveries were acknowledged.
sub collect
{
	my (@clients) = @_;
	my ($acknowledged, $surprises) = (0, 0);
	for my $client (@clients)
	{
		eval { $client->{run}->finish };
		my @answers = answers_of($client);
		for my $answer (@answers)
		{
			my ($id, $status, $http) = split /\|/, $answer;
			$surprises++ unless $status =~ /^(accepted|duplicate)$/ && $http == 202;
			$messages{$id}{acks}++;
			$acknowledged++;
		}
		# of what follows the last answer, one statement may have been committed
		my $reached = @answers < @{ $client->{ids} } ? @answers : $#{ $client->{ids} };
		$messages{$_}{sends}++ for @{ $client->{ids} }[ 0 .. $reached ];
	}
	is($surprises, 0, 'every answer is accepted or duplicate');
	return $acknowledged;
}

sub lost_acknowledged
{
	my $stored = run_sql($node, 'app', 'SELECT e.message_id FROM wearables.deliveries JOIN wearables.webhook_events e USING (event_id)');
	my %stored = map { $_ => 1 } split /\n/, $stored;
	return grep { $messages{$_}{acks} && !$stored{$_} } keys %messages;
}

# One that comes to be there. What it waits for has to be what the test holds: other locks are over before it can be killed.
sub pid_of
{
	my ($condition) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my $pid = run_sql($node, 'app', "SELECT pid FROM pg_stat_activity a WHERE $condition LIMIT 1");
		return $pid if $pid ne '';
		usleep(100_000);
	}
	die "no process comes to be one of $condition";
}

sub waits_for
{
	my ($key) = @_;
	return "EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $key AND NOT l.granted)";
}

sub kill_child
{
	my ($pid) = @_;
	my $restarts = restart_count($node);
	kill 9, $pid or die "cannot kill $pid: $!";
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if restart_count($node) > $restarts;
		usleep(100_000);
	}
	is(restart_count($node), $restarts + 1, 'the server noticed');
	$node->poll_query_until('postgres', 'SELECT true');
	return;
}

my $worker = q{backend_type = 'wearables_ingest worker' AND datname = 'app'};
my $worker_pid;
my @kills = (
	[ 'stop -m immediate' => sub { $node->stop('immediate'); $node->start } ],
	[ 'kill -9 of a worker' => sub { kill_child($worker_pid) } ],
	[ 'kill -9 of a receiving backend' => sub { kill_child(pid_of("backend_type = 'client backend' AND " . waits_for(42))) } ],
	[ 'kill -9 of the postmaster' => sub { $node->kill9; start_again($node) } ],
	[ 'kill -9 of a worker in the middle of an event' => sub { kill_child(pid_of("$worker AND " . waits_for(4711))) } ]);

my $cut_off = 0;
for my $round (0 .. 2 * @kills - 1)
{
	my ($name, $kill) = @{ $kills[ $round % @kills ] };
	my @ids = map { make_message() } 1 .. $kPerRound;
	my $blocker;
	if ($name =~ /middle of an event/)
	{
		$blocker = $node->background_psql('app', on_error_stop => 0);
		$blocker->query('SELECT pg_advisory_lock(4711)');
	}
	if ($name =~ /receiving/)
	{
		$blocker = $node->background_psql('app', on_error_stop => 0);
		$blocker->query('SELECT pg_advisory_lock(42)');
		run_sql($node, 'app', "INSERT INTO public.gated VALUES ('$ids[ $kPerRound / 2 ]')");
	}
	$worker_pid = pid_of($worker);
	# what got no answer is sent again, as the vendor would
	my @clients = start_clients(@ids, grep { !$messages{$_}{acks} && $messages{$_}{sends} } sort keys %messages);
	wait_for_answers($kPerRound / 4, @clients);
	$kill->(@clients);
	my $acknowledged = collect(@clients);
	eval { $blocker->quit } if $blocker;
	$cut_off += grep { $_->{sends} && !$_->{acks} } values %messages;
	is_deeply([ lost_acknowledged() ], [], "$name, $acknowledged answers: none of what was acknowledged is lost");
}
cmp_ok($cut_off, '>', 0, "some deliveries were cut off on their way ($cut_off)");

collect(start_clients(grep { !$messages{$_}{acks} } sort keys %messages));
is(scalar(grep { !$_->{acks} } values %messages), 0, 'sent again, each is acknowledged');
my @again = (sort keys %messages)[ 0 .. 39 ];
is(run_sql($node, 'app', join '', map { receive_sql($_, $messages{$_}{body}) } @again),
	join("\n", map { "$_|duplicate|202" } @again), 'what is sent once more is a duplicate');
$messages{$_}{acks}++, $messages{$_}{sends}++ for @again;

queue_is_empty($node, 'app');
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables.jobs'), 0, 'no job is left, and none was given up');
is(run_sql($node, 'app', 'SELECT status, count(*) FROM wearables.webhook_events GROUP BY 1'),
	'processed|' . keys %messages, 'one event for each message, every one processed');

my %count = map { split /\|/ } split /\n/, run_sql($node, 'app', 'SELECT message_id, count FROM wearables.deliveries');
is_deeply([ sort keys %count ], [ sort keys %messages ], 'one row of the ledger for each message');
is_deeply([ grep { $count{$_} < $messages{$_}{acks} || $count{$_} > $messages{$_}{sends} } keys %count ],
	[], 'each delivery is counted once: as many as were answered, or cut off, at most');

my %sums = map { split /\|/ } split /\n/,
  run_sql($node, 'app', q{SELECT message_id, encode(sha256(payload), 'hex') FROM wearables.webhook_events});
is_deeply(\%sums, { map { $_ => sha256_hex($messages{$_}{body}) } keys %messages }, 'every body is stored byte for byte');

my %samples = map { /^(.*)\|(.*)$/; $1 => $2 + 0 } split /\n/, run_sql($node, 'app', q{
	SELECT u.client_user_id, extract(epoch FROM s.ts)::bigint, s.value
	FROM wearables.samples s JOIN wearables.users u USING (user_id)});
is_deeply(\%samples, \%expected, 'the samples are those of the newest message of each key, exactly');
is(run_sql($node, 'app', 'SELECT (SELECT sum(inserted) FROM wearables.webhook_events) = (SELECT count(*) FROM wearables.sample_points)'),
	't', 'each sample was inserted by one event');
is(run_sql($node, 'app', qq{SELECT count(*) FROM wearables.webhook_events
	WHERE inserted + changed + confirmed + unchanged + stale + quarantined <> $kSamples}), 0, 'every event accounts for its readings');
is(run_sql($node, 'app', 'SELECT verdict FROM wearables.health'), 'ok', 'health is ok');
my ($attempts, $repeated) = split /\|/,
  run_sql($node, 'app', 'SELECT max(attempt), count(*) FROM public.claims');
cmp_ok($repeated, '>', 0, "some jobs lost their worker and were taken up again ($repeated)");
cmp_ok($attempts, '<=', 1 + restart_count($node) + 4, "no attempt was spent without a crash (at most $attempts)");

# An event that takes the server down is given up in time; what comes before, after and beside it is not.
$node->append_conf('postgresql.conf', "wearables_ingest.max_attempts = 3\nwearables_ingest.naptime = 1");
$node->reload;
$node->safe_psql('postgres', 'CREATE DATABASE poison');
install($node, 'poison', 'u0');
run_sql($node, 'poison', <<'SQL');
CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || pg_backend_pid());
  RETURN NEW;
END $$;
CREATE TRIGGER die BEFORE INSERT ON wearables.sample_points FOR EACH ROW WHEN (NEW.value = 399) EXECUTE FUNCTION public.die();
-- what was in hand when the server crashed is worked on alone, or it would pay for its neighbour
CREATE TABLE public.claims (job_id bigint, attempt integer, beside bigint);
CREATE FUNCTION public.note_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.claims SELECT NEW.job_id, NEW.attempt, count(*)
  FROM wearables.jobs j WHERE j.state = 'running' AND j.suspect AND j.job_id <> NEW.job_id;
  RETURN NULL;
END $$;
CREATE TRIGGER note_claim AFTER UPDATE ON wearables.jobs FOR EACH ROW
  WHEN (NEW.state = 'running' AND NEW.suspect) EXECUTE FUNCTION public.note_claim();
-- each takes its time: the other worker looks for work meanwhile
CREATE FUNCTION public.dawdle() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_sleep(0.25);
  RETURN NEW;
END $$;
CREATE TRIGGER dawdle BEFORE INSERT ON wearables.sample_points FOR EACH ROW WHEN (NEW.value = 60) EXECUTE FUNCTION public.dawdle();
SQL
my $restarts = restart_count($node);
my $deadly = message_id($first_ms, 'deadly');
my @lively = map { receive_sql(message_id($first_ms + 4 * $_, 'lively'),
	samples_event('u0', 'heartrate', 'garmin', 'watch', [ $first_ts + $_ * 60, 60 ])) } 1 .. 12;
run_sql($node, 'poison', join '', "BEGIN;\n", @lively[ 0 .. 3 ],
	receive_sql($deadly, samples_event('u0', 'heartrate', 'garmin', 'watch', [ $first_ts, 399 ])), @lively[ 4 .. 11 ], "COMMIT;\n");
queue_is_empty($node, 'poison', 'an event that kills its worker does not block the queue');
is(run_sql($node, 'poison', 'SELECT status::text, count(*) FROM wearables.webhook_events GROUP BY 1 ORDER BY 1'),
	"failed|1\nprocessed|12", 'it is given up, the others are processed');
is(run_sql($node, 'poison', 'SELECT count(*) > 3, max(beside) FROM public.claims'), 't|0', 'each of those that were in hand alone');
is(restart_count($node) - $restarts, 4, 'after one crash among others, and as many alone as it has attempts');
is(run_sql($node, 'poison', "SELECT e.message_id = '$deadly', j.attempt, j.last_error, j.last_error = e.error
	FROM wearables.jobs j JOIN wearables.webhook_events e USING (event_id)"),
	't|3|the session that ran the job was lost, at every attempt|t', 'and stays as a dead letter that says why');

$node->stop;
done_testing();
