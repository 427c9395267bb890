# The live demo in a browser: deliveries of a watch move the number of a page, by NOTIFY, a bridge and server-sent events, and
# nothing of it reaches the page of somebody else. Then the user is erased. All is over when the demo is told to end.
use strict;
use warnings FATAL => 'all';
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);
use Wearables;

my ($chromium) = grep { -x } map { "$_/chromium" } split /:/, $ENV{PATH};
plan skip_all => 'there is no chromium' unless $chromium;
my $demo = dirname(__FILE__) . '/../demo/live';
my $dir = PostgreSQL::Test::Utils::tempdir;
my $python = "$dir/venv/bin/python";
my $out;
IPC::Run::run([ '/usr/bin/python3', '-m', 'venv', '--system-site-packages', "$dir/venv" ], '&>', \$out)
  && IPC::Run::run([ $python, '-m', 'pip', 'install', '--quiet', '--no-compile', '--disable-pip-version-check', '-r', "$demo/requirements.txt", 'playwright==1.65.2' ], '&>', \$out)
  or plan skip_all => 'no packages for the bridge and the browser: ' . ((split /\n/, $out)[-1] // 'python3 has no venv');

my $node = make_node('live', "wearables_ingest.databases = 'live'", 'wearables_ingest.notify_samples = 20');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE live');
# the secret is a variable of the script
run_sql($node, 'live', '\set webhook_secret ' . secret() . "\n\\set user alice\n" . slurp_file("$demo/setup.sql"));

my %env = (%ENV, PGHOST => $node->host, PGPORT => $node->port, PGDATABASE => 'live', PYTHONDONTWRITEBYTECODE => 1, HOME => $dir);
my ($printed, $complaints) = ('', '');
my $live;
{
	local %ENV = %env;
	$live = IPC::Run::start([ $python, "$demo/live.py", 'alice', '0f3c6b1e-7a5d-4c60-8d52-1f1b8c0a1a01', secret(), 300 ], '<', '/dev/null', '>', \$printed, '2>', \$complaints);
}
END { my $status = $?; if ($live) { $live->signal('TERM'); eval { $live->finish }; } $? = $status; }
for (my $until = time + 60; $printed !~ /\n/ && time < $until && $live->pumpable;) { $live->pump_nb; usleep(50_000); }
my $pages = eval { JSON::PP::decode_json($printed) } or die "the demo does not start: $complaints";
like($pages->{url}, qr{^http://127\.0\.0\.1:\d+/#}, 'the page is on the loopback address');
my ($base) = $pages->{url} =~ m{^(.*)/#};

my $picture = ($ENV{TESTLOGDIR} // $dir) . '/live.png';
my ($look, $why);
{
	local %ENV = %env;
	ok(IPC::Run::run([ $python, "$demo/look.py", $chromium, $pages->{url}, $pages->{other}, $picture ], '<', '/dev/null', '>', \$look, '2>', \$why), 'a browser opens it') or diag $why;
}
my $seen = eval { JSON::PP::decode_json($look) } // {};
like($seen->{first}{value}, qr/^\d+$/, 'it shows a heart rate');
isnt($seen->{last}{value}, $seen->{first}{value}, 'which moves by itself');
cmp_ok($seen->{last}{ts}, 'gt', $seen->{first}{ts}, 'with the time');
is($seen->{last}{state}, 'live', 'the page says that it is connected');
cmp_ok(-s $picture // 0, '>', 10_000, "the picture is taken: $picture");
is($seen->{other}{notices}, 0, 'the page of somebody else is told nothing');
is($seen->{other}{value}, "\x{2013}", 'and shows nothing');

# the bridge without a browser
my $http = HTTP::Tiny->new(timeout => 10);
my ($token) = $pages->{url} =~ /#(.*)/;
is($http->get("$base/events")->{status}, 401, 'there is no stream without a token');
is($http->get("$base/events", { headers => { Cookie => 'token=' . substr($token, 0, -2) } })->{status}, 401, 'nor with a forged one');

# what a stream says when its user is erased
my ($curl, $stream) = (undef, '');
{
	my $script = 'import sys, urllib.request; r = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Cookie": "token=" + sys.argv[2]}), timeout=20)' . "\nfor line in r: print(line.decode(), end='', flush=True)";
	$curl = IPC::Run::start([ '/usr/bin/python3', '-c', $script, "$base/events", $token ], '<', '/dev/null', '>', \$stream, '2>', '/dev/null');
}
for (my $until = time + 20; $stream !~ /heartrate/ && time < $until;) { $curl->pump_nb; usleep(50_000); }
like($stream, qr/^event: change\r?\ndata: \{"metrics": \["heartrate"\], "from": "[^"]+Z", "to": "[^"]+Z"\}\r?$/m, 'a stream has what is about its user, and no id');
run_sql($node, 'live', q{SELECT wearables.erase_user(user_id) FROM wearables.users WHERE client_user_id = 'alice'});
for (my $until = time + 20; $stream !~ /"metrics": null/ && time < $until;) { $curl->pump_nb; usleep(50_000); }
like($stream, qr/^data: \{"metrics": null, "from": null, "to": null\}\r?$/m, 'an erased user is told to read again');
is($http->get("$base/rpc/my_samples?metric=heartrate&from_time=2026-01-01&to_time=2027-01-01", { headers => { Authorization => "Bearer $token" } })->{status}, 403, 'and there is nothing to read');
is($http->get("$base/events", { headers => { Cookie => "token=$token" } })->{status}, 403, 'nor to listen to');
$curl->kill_kill;

$live->signal('TERM');
$live->finish;
undef $live;
ok(!$http->get($base)->{success}, 'told to end, nothing of it goes on');
$node->stop;
done_testing();
