# The recipe of manual/people.md, to the letter: its roles and its postgrest.conf, its requests with a token to a stand-in for
# PostgREST, and its answers. Then what lasts: a dump that carries the limits of roles, restored before anybody reads.
use strict;
use warnings FATAL => 'all';
use Digest::SHA qw(hmac_sha256);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $here = dirname(__FILE__);
my $dir = PostgreSQL::Test::Utils::tempdir;
my $json = JSON::PP->new->utf8->canonical;

# The blocks of chapters, by kind.
sub blocks
{
	my ($kind, @pages) = @_;
	return map { my $text = slurp_file("src/manual/$_.md"); $text =~ /^```$kind\n(.*?)^```$/msg } @pages;
}

my $node = make_node('people_manual', "wearables_ingest.databases = ''", "timezone = 'UTC'");
$node->start;
# as its tours begin: in an empty database, one chapter after another
$node->safe_psql('postgres', 'CREATE DATABASE people');
run_sql($node, 'people', join "\n", blocks('sql', qw(receive postgrest people)));

my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($conf) = blocks('ini', 'postgrest');
my ($more) = blocks('ini', 'people');
die 'the manual has another db-uri' unless $conf =~ s{^db-uri = .*}{'db-uri = "' . $node->connstr('people') . ' user=authenticator"'}me;
die 'the manual has another port' unless $conf =~ s/server-port = 3000/server-port = $port/;
append_to_file("$dir/postgrest.conf", "$conf$more");
my ($secret) = $more =~ /^jwt-secret = "(.+)"/m;
my $rest = IPC::Run::start([ '/usr/bin/python3', '-B', "$here/postgrest.py", "$dir/postgrest.conf" ], '<', \undef, '>', "$dir/rest.out", '2>', "$dir/rest.err");
END { my $status = $?; if ($rest) { $rest->signal('TERM'); eval { $rest->finish }; } $? = $status; }
for (1 .. 300) { last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port); Time::HiRes::usleep(100_000); }

sub base64url { my ($bytes) = @_; return encode_base64($bytes, '') =~ tr{+/}{-_}r =~ s/=+$//r; }

sub token
{
	my ($claims) = @_;
	my $signed = base64url('{"alg":"HS256","typ":"JWT"}') . '.' . base64url($claims);
	return "$signed." . base64url(hmac_sha256($signed, $secret));
}

my ($claims, @answers) = blocks('json', 'people');
my @requests = blocks('http', 'people');
is(scalar @requests, 1, 'there is a request in the manual');
my $http = HTTP::Tiny->new(timeout => 60);

# The time of the token in the manual passes; the rest of it is as it stands.
my $alice = token($claims =~ s/"exp": \d+/'"exp": ' . (time + 3600)/er);

sub ask
{
	my ($token, $request, $body) = @_;
	my ($method, $path) = $request =~ /^(GET|POST) (\S+)/ or die $request;
	my $response = $http->request($method, "http://127.0.0.1:$port$path", { headers => { 'Content-Type' => 'application/json', defined $token ? (Authorization => "Bearer $token") : () }, defined $body ? (content => $body) : () });
	return ($response->{status}, eval { $json->decode($response->{content}) } // $response->{content});
}

for my $i (0 .. $#requests)
{
	my ($status, $rows) = ask($alice, $requests[$i]);
	is($status, 200, 'a request of the manual is answered');
	is_deeply($rows, $json->decode($answers[$i]), 'as the manual says');
}
my %status = (
	'without a token' => [ undef, 'GET /rpc/my_latest', 401 ], 'of nobody' => [ token('{"role": "app_user", "sub": "nobody"}'), 'GET /rpc/my_latest', 403 ],
	'with a bad argument' => [ $alice, 'GET /rpc/my_samples?metric=heartrate&from_time=yesterday&to_time=today', 400 ], 'with a + in the URL' => [ $alice, 'GET /rpc/my_samples?metric=heartrate&from_time=2026-03-29T08:00:00+02:00&to_time=2026-03-30', 400 ],
	'with %2B in the URL' => [ $alice, 'GET /rpc/my_samples?metric=heartrate&from_time=2026-03-29T08:00:00%2B02:00&to_time=2026-03-30', 200 ],
	'of a metric that does not exist' => [ $alice, 'GET /rpc/my_samples?metric=pulse&from_time=2026-03-29&to_time=2026-03-30', 400 ],
	'with an argument too many' => [ $alice, 'POST /rpc/my_latest', 404, '{"user_id": 2}' ], 'of my_sync by GET' => [ $alice, 'GET /rpc/my_sync', 405 ]);
for my $what (sort keys %status)
{
	my ($token, $request, $expected, $body) = @{ $status{$what} };
	is((ask($token, $request, $body))[0], $expected, "a request $what: $expected");
}
is((ask($alice, 'POST /rpc/my_sync', '{}'))[0], 200, "call $_ of my_sync") for 1 .. 8;
my ($status, $error) = ask($alice, 'POST /rpc/my_sync', '{}');
is($status, 429, 'the ninth is one too many');
like($error->{details}, qr/next call is possible at 20\d\d-/, 'and the answer says when the next one is possible');

# The limits of roles are dumped as rows, and the policies are there as soon as these are.
my $as_nurse = 'SET ROLE nurse; SELECT string_agg(client_user_id, %s ORDER BY user_id) FROM wearables.users';
is(run_sql($node, 'people', sprintf $as_nurse, q{' '}), 'alice', 'a nurse sees her patient');
for my $way ([ plain => '-Fp' ], [ custom => '-Fc' ], [ rows => '-Fc', '--data-only', '--load-via-partition-root' ])
{
	my ($name, @options) = @$way;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->command_ok([ 'pg_dump', '-d', $node->connstr('people'), @options, '-f', "$dir/$name.dump" ], "$name: dumped");
	if ($name eq 'rows')
	{
		run_sql($node, $name, "CREATE EXTENSION wearables_ingest; SELECT wearables.grant_access('care_team', 'reader'); GRANT SELECT ON wearables_internal.visible_assignments TO care_team;"
			  . 'TRUNCATE wearables.metrics, wearables.units, wearables.resources, wearables.mappings, wearables.known_fields, wearables.sources, wearables.revisions CASCADE');
		$node->command_ok([ 'pg_restore', '-d', $node->connstr($name), '--data-only', '-t', 'users', '-t', 'limited_roles', '-t', 'assigned_users', "$dir/$name.dump" ], "$name: restored");
	}
	else
	{
		$node->command_ok($name eq 'plain' ? [ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name), '-f', "$dir/$name.dump" ] : [ 'pg_restore', '--exit-on-error', '-d', $node->connstr($name), "$dir/$name.dump" ], "$name: restored");
	}
	is(run_sql($node, $name, sprintf $as_nurse, q{' '}), 'alice', "$name: she sees the same");
	is(run_sql($node, $name, q{SELECT count(*) FROM wearables.problems WHERE problem = 'unlimited'}), 0, "$name: no role is without its policies");
}

# A role that is made anew under its name is bound by nothing: that is told of.
run_sql($node, 'custom', 'DROP OWNED BY care_team');
like(run_sql($node, 'custom', q{SELECT severity, what FROM wearables.problems WHERE problem = 'unlimited'}), qr/^failing\|role care_team is limited to some users, but no policy binds it$/, 'lost policies are a problem');
is(run_sql($node, 'custom', q{SELECT verdict FROM wearables.health}), 'failing', 'and health fails');

$node->stop;
done_testing();
