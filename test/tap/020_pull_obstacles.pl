# What a puller meets on the way to its pages: TLS that proves nothing, names that lead nowhere or never answer, bodies without end, a key that
# is refused half way, a server that goes and comes back, a colleague that is killed.
use strict;
use warnings FATAL => 'all';
use File::Temp ();
use Junction;
use List::Util qw(min);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

# A name server that does not answer: names below hang.test are looked up for a minute, in the thread that libcurl makes for each.
my $dir = File::Temp->newdir;
append_to_file("$dir/hang.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  if (name != NULL && strstr(name, ".hang.test") != NULL) sleep(60);
  if (real == NULL) real = dlsym(RTLD_NEXT, "getaddrinfo");
  return real(name, service, hints, found);
}
C
run_log([ 'cc', '-shared', '-fPIC', '-o', "$dir/hang.so", "$dir/hang.c", '-ldl' ]) or die 'hang.c does not compile';
chmod 0755, "$dir";

my $junction = Junction->start(seed => 7, days => 20, until => '2025-06-01', people => 4, page_size => 10, clock => '2025-07-01T00:00:00Z');
$junction->start_tls('--names', 'IP:127.0.0.1');
my $authority = $junction->authority;
my $node = make_node('obstacles', 'restart_after_crash = on', "wearables_ingest.databases = 'app'", 'wearables_ingest.workers = 2', 'wearables_ingest.naptime = 1',
	'wearables_ingest.allow_loopback_http = on', 'wearables_ingest.http_timeout = 20', "wearables_ingest.http_body_limit = '4MB'");
{
	local $ENV{LD_PRELOAD} = "$dir/hang.so";
	$node->start;
}
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');

my %user;
sub move_to
{
	my ($url) = @_;
	run_sql($node, 'app', "UPDATE wearables.endpoints SET base_url = '$url'; DELETE FROM wearables_internal.pull_hosts; DELETE FROM wearables_internal.refused_keys");
	return;
}
move_to($junction->plain_url);
run_sql($node, 'app', "SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction')");
for my $name (qw(alice carol dave erin))
{
	$user{$name} = run_sql($node, 'app', "SELECT wearables.register_user('$name', '$name-at-junction')");
}
my $day = 0;
# Each asks for a range of its own, so that none is there already
sub request
{
	my ($resource, $from, $to, $who) = @_;
	return run_sql($node, 'app', "SELECT wearables.request_backfill($user{$who // 'alice'}, '', '$resource', timestamptz '$from' - interval '1 s' * @{[ $day++ ]}, '$to')");
}
sub field { my ($id, $column) = @_; return run_sql($node, 'app', "SELECT $column FROM wearables.backfills WHERE backfill_id = $id"); }
sub ends
{
	my ($id, $state, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'app', "SELECT state = '$state' FROM wearables.backfills WHERE backfill_id = $id", $what)
	  || diag run_sql($node, 'app', "SELECT * FROM wearables.backfills WHERE backfill_id = $id");
}
sub hurry { run_sql($node, 'app', q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0; DELETE FROM wearables_internal.refused_keys; UPDATE wearables.jobs SET run_at = now() WHERE kind = 'pull' AND state = 'ready'}); return; }
sub setting { my ($line) = @_; $node->append_conf('postgresql.conf', $line); $node->reload; return; }
# Until a request of it has failed for that reason; then it is given up
sub fails_for
{
	my ($url, $expected, $what) = @_;
	move_to($url);
	my $id = request('steps', '2025-05-20', '2025-05-22');
	wait_until($node, 'app', "SELECT refusals > 0 FROM wearables.backfills WHERE backfill_id = $id", "$what: the request fails");
	like(field($id, 'error'), $expected, 'and says why');
	is(field($id, 'pages'), 0, 'and brings nothing');
	run_sql($node, 'app', "SELECT wearables.cancel_backfill($id)");
	return;
}

# TLS, by the puller itself
my $url = $junction->url;
fails_for($url, qr/certificate of the server could not be verified/, 'an authority that nobody knows');
setting("wearables_ingest.http_ca_file = '$authority'");
(my $other = $url) =~ s/127\.0\.0\.1/localhost/;
fails_for($other, qr/certificate of the server could not be verified/, 'a certificate of another name');
is(scalar(grep { $_->{protocol} ne 'HTTP/1.1' } $junction->requests), 0, 'who is not trusted is sent nothing');
move_to($url);
my $id = request('heartrate', '2025-05-20', '2025-05-22');
ends($id, 'done', 'with its authority it is pulled over TLS');
is(scalar(grep { $_->{path} =~ /heartrate/ && $_->{protocol} eq 'HTTP/2.0' } $junction->requests), field($id, 'pages'), 'each page by HTTP/2');
cmp_ok($junction->stats->{front_connections}, '<=', field($id, 'pages') / 2, 'over connections that are used again');

# Names
fails_for('https://junction.invalid', qr/the host name could not be resolved/, 'a name that leads nowhere');
move_to('https://api.hang.test');
request($_->[0], '2025-05-20', '2025-05-22', $_->[1])
  for map { my $who = $_; map { [ $_, $who ] } qw(steps heartrate hrv distance weight) } sort keys %user;
my $running = q{SELECT count(*) = 16 FROM wearables.jobs WHERE kind = 'pull' AND state = 'running'};
my @took;
for (1 .. 3)
{
	hurry();
	wait_until($node, 'app', $running, 'sixteen requests hang in name resolution');
	for my $pid (split /\n/, run_sql($node, 'app', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}))
	{
		my $begun = Time::HiRes::time();
		kill TERM => $pid;
		Time::HiRes::usleep(1000) while kill(0, $pid) && Time::HiRes::time() < $begun + 10;
		push @took, Time::HiRes::time() - $begun;
	}
}
cmp_ok(min(@took), '<', 0.1, 'a worker that is told to end ends at once') or diag "@took";
cmp_ok((sort { $a <=> $b } @took)[-1], '<', 2, 'each time') or diag "@took";
run_sql($node, 'app', q{SELECT wearables.cancel_backfill(backfill_id) FROM wearables.backfills WHERE state IN ('waiting', 'running')});
queue_is_empty($node, 'app', 'what was cancelled waits for no name') or diag run_sql($node, 'app', 'SELECT * FROM wearables.jobs');

# Bodies
move_to($url);
for my $rule ([ 'a bomb of gzip', do => 'gzip', form => 'bomb', bytes => 1 << 30 ], [ 'a body without end', do => 'endless' ],
	[ 'a body of 2 GB that says so', do => 'endless', bytes => 2_000_000_000, chunked => JSON::PP::false() ])
{
	my ($what, %rule) = @$rule;
	$junction->misbehave(%rule, match => 'steps');
	my $large = request('steps', '2025-05-20', '2025-05-22');
	ends($large, 'failed', "$what: given up");
	like(field($large, 'error'), qr/larger than wearables_ingest.http_body_limit/, 'and says which setting');
}
for my $pid (split /\n/, run_sql($node, 'app', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}))
{
	my ($peak) = slurp_file("/proc/$pid/status") =~ /VmHWM:\s+(\d+)/;
	cmp_ok($peak, '<', 150_000, "and none of it lies in memory: $peak kB");
}
$junction->misbehave(do => 'cursor', form => 'long', match => 'steps');
my $long = request('steps', '2025-05-20', '2025-05-22');
wait_until($node, 'app', "SELECT refusals > 0 AND error ~ 'cursor of the page is not a text, or too long' FROM wearables.backfills WHERE backfill_id = $long", 'a cursor of a megabyte is none');
$junction->misbehave;
hurry();
ends($long, 'done', 'and the page is asked for again');
$junction->misbehave(do => 'cut', every => 3, match => 'heartrate');
$id = request('heartrate', '2025-05-20', '2025-05-22');
ends($id, 'done', 'streams that are cut, every third: pulled all the same');
$junction->misbehave;

# A key that is refused half way: nothing is lost, nothing fetched twice
$junction->misbehave(do => 'status', status => 401, after => 7, match => 'heartrate');
$id = request('heartrate', '2025-05-20', '2025-05-23');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables.problems WHERE problem = 'pull_stopped' AND what ~ 'status 401'}, 'refused half way');
is(field($id, q{state || ' ' || pages}), 'running 7', 'it stands at the page where it was refused');
my $asked = scalar $junction->requests;
$junction->misbehave;
hurry();
ends($id, 'done', 'and goes on there');
is(scalar(grep { $_->{path} =~ /heartrate/ } $junction->requests), field($id, 'pages') - 7, 'with a request for each of the rest');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.problems WHERE problem = 'pull_stopped'}), 0, 'and the problem is over');

# The server is away for a while
move_to($junction->plain_url);
$junction->misbehave(do => 'exit', after => 6, match => 'heartrate');
$id = request('heartrate', '2025-05-20', '2025-05-23');
wait_until($node, 'app', "SELECT refusals > 1 AND error ~ 'could not be reached' FROM wearables.backfills WHERE backfill_id = $id", 'nobody answers any more');
is(field($id, q{state || ' ' || pages}), 'running 6', 'what came before is here');
$junction->restart;
hurry();
ends($id, 'done', 'when the server is back the rest is pulled');

# Two workers, one of which is killed in the middle of a hundred pages
$junction->control(latency => 0.02);
my %begun = map { $_ => request('heartrate', '2025-05-12', '2025-05-24', $_) } qw(alice carol);
wait_until($node, 'app', "SELECT min(pages) > 10 FROM wearables.backfills WHERE backfill_id IN (@{[ join ', ', values %begun ]})", 'pages of two people come');
my ($victim) = split /\n/, run_sql($node, 'app', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'});
kill KILL => $victim;
for my $who (sort keys %begun)
{
	ends($begun{$who}, 'done', "$who: after kill -9 it goes on");
	my $pages = field($begun{$who}, 'pages');
	cmp_ok($pages, '>', 100, "$pages pages");
	is(run_sql($node, 'app', "SELECT count(*) FROM wearables.webhook_events WHERE message_id LIKE 'pull:$begun{$who}:%'"), $pages, 'each is stored once');
	my %times;
	$times{ $_->{path} }++ for grep { $_->{path} =~ /$who.*start_date=2025-05-1[12]/ } $junction->requests;
	is(scalar(keys %times), $pages, 'each was asked for');
	cmp_ok(scalar(grep { $_ > 1 } values %times), '<=', 1, 'and one of them twice at most');
}
queue_is_empty($node, 'app');
is(run_sql($node, 'app', q{SELECT count(*) FROM (SELECT user_id, ts FROM wearables.samples WHERE metric = 'heartrate' AND channel = 'timeseries' GROUP BY 1, 2, source_type, provider HAVING count(*) > 1) s}), 0, 'no reading is there twice');
is(restart_count($node), 1, 'the server came up again once');
unlike(slurp_file($node->logfile), qr/sk_us_junction/, 'no key is in the log');

$node->stop;
$junction->stop;
done_testing();
