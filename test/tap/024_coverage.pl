# A month with outages on both sides: deliveries are lost for days, and the vendor's API fails. What reconcile() and
# request_missing() request fills the gaps, and no more than that. Then every day is known, and the readings are those
# of a site that missed nothing.
use strict;
use warnings FATAL => 'all';
use Junction;
use MIME::Base64 qw(decode_base64);
use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my ($people, $days, $a_call, $failures) = (50, 30, 30, 20);
my $until = int(time / 86400) * 86400 - 86400;
sub day { return strftime('%Y-%m-%d', gmtime($until + 86400 * $_[0])); }

my $junction = Junction->start(seed => 11, people => 0, crowd => $people, days => $days, density => 2, only => [ 'steps', 'sleep' ], until => day(0));
my $node = make_node('coverage', "wearables_ingest.databases = ''", 'wearables_ingest.allow_loopback_http = on', 'synchronous_commit = off', 'fsync = off');
$node->start;

# What was sent at midnight of these days is lost: our side was down for longer than the sender tries. So are all
# revisions, and nobody is told that history is there to pull.
my %lost = map { day($_) => 1 } (-20, -10, -9);
my @events = grep { $_->{type} !~ /^historical/ } map { my $e = $_; $e->{body} = decode_base64($e->{body}); ($e->{type}) = $e->{body} =~ /"event_type": "([^"]*)"/; $e }
  grep { decode_base64($_->{body}) =~ /"client_user_id": "p\d+"/ } $junction->events('junction');
sub is_lost { my ($e) = @_; return $e->{type} =~ /updated$/ || $lost{ strftime('%Y-%m-%d', gmtime(($e->{version} >> 20) / 1000)) }; }
cmp_ok(scalar @events, '>', 2 * $people * $days, scalar(@events) . ' messages of a month');

sub site
{
	my ($name, @delivered) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	install($node, $name);
	run_sql($node, $name, join '', map { "SELECT wearables.register_user('p$_', 'p$_-at-junction', time_zone => 'Europe/Berlin');\n" } 0 .. $people - 1);
	run_sql($node, $name, join '', "BEGIN;\n", map({ receive_sql($_->{message_id}, $_->{body}) } @delivered), "COMMIT; CALL wearables.drain();\n");
}
site('whole', @events);
site('gaps', grep { !is_lost($_) } @events);

sub digest
{
	return run_sql($node, $_[0], q{SELECT count(*) || ' ' || md5(string_agg(concat_ws('|', u.client_user_id, s.metric, s.ts, s.day, s.provider, s.source_type, s.channel, s.value, s.value_secondary, s.ts_end, s.tz_offset), ',' ORDER BY u.client_user_id, s.metric, s.ts, s.provider, s.source_type, s.channel, s.part))
	FROM wearables.samples s JOIN wearables.users u USING (user_id)});
}
# By how many days of how many people are known: of what was read every day, and three days before it began.
sub known
{
	my ($from) = @_;
	return run_sql($node, 'gaps', sprintf q{SELECT string_agg(how || ' ' || days, ', ' ORDER BY how) FROM (
		SELECT c.how, count(*) AS days FROM wearables.users u, (VALUES ('steps', 'steps'), ('total_sleep_time', 'sleep')) m (metric, resource),
		  wearables.coverage(u.user_id, m.metric, '%s', '%s', m.resource) c GROUP BY c.how) x}, day($from), day(0));
}
# Until nothing is open. Whatever is put off is due at once.
sub pull
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	until (run_sql($node, 'gaps', q{SELECT NOT EXISTS (SELECT FROM wearables.backfills WHERE state IN ('waiting', 'running'))}) eq 't')
	{
		die 'backfills remain open' if time > $deadline;
		run_sql($node, 'gaps', q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0; UPDATE wearables.jobs SET run_at = now() WHERE state = 'ready'; CALL wearables.drain()});
	}
}

my $whole = digest('whole');
isnt(digest('gaps'), $whole, 'readings are missing');
is(known(-$days), 'unknown ' . 2 * 3 * $people . ', webhook ' . 2 * ($days - 3) * $people, 'three days of each person are unknown');

# An address and a key: from here on a worker, or pg_cron, reconciles.
my $url = $junction->plain_url;
run_sql($node, 'gaps', "SELECT wearables.add_endpoint('junction', base_url => '$url'); UPDATE wearables.resources SET reconcile_days = 0 WHERE name <> 'sleep'");
is(run_sql($node, 'gaps', "SELECT wearables.reconcile('1 day', $a_call, '30 hours')"), 0, 'nothing is asked for without a key');
run_sql($node, 'gaps', q{SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction'); UPDATE wearables.connections SET status = 'connected'});
$junction->misbehave(do => 'status', status => 503, every => 3, times => $failures);
my $asked = run_sql($node, 'gaps', "SELECT wearables.reconcile('1 day', $a_call, '30 hours')");
is($asked, $a_call * 2, 'at most so many people a call, of each what they have');
is(run_sql($node, 'gaps', q{SELECT count(*) FROM wearables_internal.silences}), 2, 'two spans were silent');
is(run_sql($node, 'gaps', q{SELECT count(*) FROM wearables_internal.reconciled_users WHERE due_at BETWEEN now() + interval '11 hours' AND now() + interval '37 hours'}), $people, 'the recent past of each is due at a time of its own, over a day');
run_sql($node, 'gaps', "SELECT wearables.reconcile('1 day', $a_call, '30 hours') FROM generate_series(1, 5)");
is(run_sql($node, 'gaps', q{SELECT count(*) FROM wearables.backfills WHERE intent = 'silence'}), 2 * 2 * $people, 'each span is asked for once, of each person');
is(run_sql($node, 'gaps', q{SELECT min(priority) FROM wearables.jobs WHERE kind = 'pull'}), 7, 'behind what somebody waits for');
pull();
$junction->control(rules => []);
is(run_sql($node, 'gaps', q{SELECT count(*) FROM wearables.backfills WHERE state <> 'done'}), 0, 'the API fails now and then, and all of it is pulled');
# The revised nights are of no silent span: they come with the last days. Two calls at once are one.
isnt(digest('gaps'), $whole, 'what was revised is not here yet');
run_sql($node, 'gaps', q{UPDATE wearables_internal.reconciled_users SET due_at = now()});
my $holder = $node->background_psql('gaps');
$holder->query_safe('BEGIN; SELECT wearables.reconcile()');
is(run_sql($node, 'gaps', q{SELECT wearables.reconcile()}), 0, 'one call works at a time');
$holder->query_safe('ROLLBACK');
$holder->quit;
is(run_sql($node, 'gaps', q{SELECT wearables.reconcile('1 day', 1000)}), $people, 'what that one had begun is begun anew');
pull();
is(digest('gaps'), $whole, 'now the readings are those of a site that missed nothing');
my $requests = $junction->stats->{requests};
cmp_ok($requests, '<=', 5 * $people + $failures, sprintf '%d requests: %.2f a user and day', $requests, $requests / $people / $days);

# Days before it began: nobody knows, until they are asked for, once.
my $known = known(-$days - 3);
like($known, qr/\bunknown @{[ 2 * 3 * $people ]}\b/, "every day is known, but three of each person before it began: $known");
my $missing = sprintf q{SELECT count(r) FROM wearables.users u, (VALUES ('steps', 'steps'), ('total_sleep_time', 'sleep')) m (metric, resource), LATERAL wearables.request_missing(u.user_id, m.metric, '%s', '%s', m.resource) r}, day(-$days - 3), day(0);
is(run_sql($node, 'gaps', $missing), 2 * $people, 'one request each');
is(run_sql($node, 'gaps', $missing), 0, 'and none again while they are on their way');
pull();
my $all_known = known(-$days - 3);
is($all_known, $known =~ s/unknown/empty/r =~ s/(both \d+), (pull \d+), (empty \d+)/$1, $3, $2/r, 'they are confirmed empty, and nothing is unknown');
is(run_sql($node, 'gaps', "$missing WHERE u.client_user_id = 'p0'"), 0, 'so nothing is asked for');
is(digest('gaps'), $whole, 'and nothing has changed');
note sprintf 'requests: %d for %d people and %d days, %.3f a user and day; with request_missing() %d', $requests, $people, $days, $requests / $people / $days, $junction->stats->{requests};

# Rows of pulls that have ended go with the next ones; what they told of stays.
run_sql($node, 'gaps', q{UPDATE wearables_internal.reconciled_users SET due_at = now(); SELECT wearables.reconcile('1 day', 1000)});
is(run_sql($node, 'gaps', q{SELECT count(*) FROM wearables.backfills WHERE intent IN ('reconcile', 'silence')}), $people, 'no more than the last pulls of each are kept');
is(known(-$days - 3), $all_known, 'and as much is known as before');

# The chapter of the manual, as it stands.
run_sql($node, 'gaps', q{SELECT wearables.register_user('alice', 'p1-of-somebody')});
my @statements = slurp_file('src/manual/coverage.md') =~ /^```sql\n(.*?)^```$/msg;
cmp_ok(scalar @statements, '>', 5, 'the chapter shows statements');
for my $statement (@statements)
{
	my $run = as_role($node, 'gaps', 'postgres', $statement);
	is($run->{err}, '', 'it runs: ' . (split /\n/, $statement)[0]);
}
run_sql($node, 'gaps', q{UPDATE wearables.resources SET reconcile_days = 0 WHERE name <> 'sleep'; DELETE FROM wearables.jobs WHERE kind = 'pull'});

# How far it has come: one row for all, and one for each that was asked for.
my $p0 = run_sql($node, 'gaps', q{SELECT user_id FROM wearables.users WHERE client_user_id = 'p0'});
is(run_sql($node, 'gaps', "SELECT string_agg(concat_ws(' ', coalesce(provider || '/' || resource, 'all'), state, pulls, pages, percent, newest_reading::date - date '" . day(0) . "'), ', ') FROM wearables.connection_progress($p0)"),
	'all done 2 2 100 -1, /sleep done 1 1 100 -1, /steps done 1 1 100 -1', 'progress is told by resource, and as a whole');
my $listener = $node->background_psql('gaps');
$listener->query_safe('LISTEN wearables_progress');
run_sql($node, 'gaps', "SELECT wearables.sync($p0, resources => '{sleep,steps}')");
is($listener->query_safe('SELECT 1'), '1', 'nobody is told anything as shipped');
run_sql($node, 'gaps', "SET wearables_ingest.notify_progress = on; SELECT wearables.sync($p0, resources => '{sleep,steps}')");
like($listener->query('SELECT 1'), qr/^1\n(?:Asynchronous notification "wearables_progress" with payload "$p0" received[^\n]*\n?){1}$/, 'where the setting wants it, they are told once a transaction whose it is');
$listener->quit;
like(run_sql($node, 'gaps', "SELECT state || ' ' || percent FROM wearables.connection_progress($p0) WHERE provider IS NULL"), qr/^running \d\d?$/, 'and it is running again');

# A worker reconciles by itself.
run_sql($node, 'gaps', q{DELETE FROM wearables.backfills; UPDATE wearables_internal.reconciled_users SET due_at = now()});
$node->append_conf('postgresql.conf', "wearables_ingest.databases = 'gaps'\nwearables_ingest.naptime = 1");
$node->reload;
wait_until($node, 'gaps', "SELECT count(*) = $people FROM wearables.backfills WHERE intent = 'reconcile' AND state = 'done'", 'a worker asks by itself, once a day for each');
is(digest('gaps'), $whole, 'which changes nothing');

$node->stop;
$junction->stop;
done_testing();
