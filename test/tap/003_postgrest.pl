# The door as PostgREST calls it: its statements, parameter types and formats over a real connection.
use strict;
use warnings FATAL => 'all';
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use IPC::Open2;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $kLimitKb = 64;
my $node = make_node('postgrest', "wearables_ingest.databases = ''", "wearables_ingest.body_limit = ${kLimitKb}kB",
	'synchronous_commit = off', 'wal_writer_delay = 10s', 'autovacuum = off');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
run_sql($node, 'app', <<'SQL');
CREATE ROLE web_anon NOLOGIN;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT web_anon TO authenticator;
SQL

my $json = JSON::PP->new->utf8->canonical;
my $driver = open2(my $answers, my $requests, '/usr/bin/python3', dirname(__FILE__) . '/postgrest.py');

sub ask
{
	my ($request) = @_;
	print {$requests} $json->encode($request), "\n";
	$requests->flush;
	return $json->decode(readline($answers) // die 'the driver has ended');
}

my $calls = 0;
my $now_ms = (time - 60) * 1000;
sub next_id { return message_id($now_ms + 4 * ++$calls, $calls); }

# A request for the door; %option: headers, content_type, role, function, method, lsn
sub post
{
	my ($body, %option) = @_;
	return ask({ headers => {}, body => encode_base64($body, ''), %option });
}

sub post_signed
{
	my ($id, $body, %option) = @_;
	my $headers = signed_headers($id, $body, %option);
	delete @option{qw(secret family timestamp)};
	return post($body, headers => $headers, %option);
}

sub as_anonymous { return ask({ sql => "BEGIN; SET LOCAL ROLE web_anon; $_[0]; COMMIT" })->{sqlstate} // 'done'; }

sub stored { return run_sql($node, 'app', 'SELECT (SELECT count(*) FROM wearables.deliveries), (SELECT count(*) FROM wearables.webhook_events), (SELECT count(*) FROM wearables.jobs)'); }

sub stored_sum
{
	my ($id) = @_;
	return run_sql($node, 'app', "SELECT encode(sha256(e.payload), 'hex') FROM wearables.deliveries d JOIN wearables.webhook_events e USING (event_id) WHERE d.message_id = '$id'");
}

ask({ connect => $node->connstr('app') . ' user=authenticator' });

my %bodies = (
	'an ordinary body' => samples_event('alice', 'heartrate', 'garmin', 'watch', [ time - 600, 61 ]),
	'white space everywhere' => "  \n\t{ \"event_type\" :\t\"x.y\" ,\r\n \"b\" : [ 1 ,2 ] , \"a\":\t{ } } \t",
	'keys out of order and twice' => '{"z":1,"a":2,"z":3,"event_type":"one","event_type":"two","a":{"k":1,"k":2}}',
	'numbers that no type holds' => '{"a":1e400,"b":-1E-400,"c":123456789012345678901234567890,"d":1.000,"e":-0}',
	'an escaped NUL' => '{"event_type":"x.y","text":"a\u0000b","surrogate":"\ud83d\ude00","lone":"\ud800"}',
	'a newline at the end' => "{\"event_type\":\"x.y\"}\n",
	'escapes of every kind' => '{"a\/b":"\"\\\b\f\n\r\t\u00e9","\u0061":"a"}',
	'characters of one to four bytes' => "{\"a\":\"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"}",
	'an empty array' => '[]',
	'a scalar' => '"text"');
for my $name (sort keys %bodies)
{
	my $id = next_id();
	my $answer = post_signed($id, $bodies{$name});
	is($answer->{status}, 202, "$name: 202") or diag explain $answer;
	is(stored_sum($id), sha256_hex($bodies{$name}), "$name: stored byte for byte");
}

my $body = $bodies{'an ordinary body'};
my $id = next_id();
is(post_signed($id, $body)->{body}{status}, 'accepted', 'a first delivery is accepted');
my $before = stored();
my $again = post_signed($id, $body, timestamp => time - 30);
is("$again->{status} $again->{body}{status}", '202 duplicate', 'the same message once more: 202, a duplicate');
is(stored(), $before, 'and nothing new is stored');
is(run_sql($node, 'app', "SELECT count FROM wearables.deliveries WHERE message_id = '$id'"), '2', 'but it is counted');

sub refused_like
{
	my ($what, $status, $reason, $answer) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($answer->{status}, $status, "$what: $status") or diag explain $answer;
	like($answer->{body}{reason} // '', $reason, "$what: the reason is given");
	is(stored(), $before, "$what: nothing is stored");
	return;
}
my $headers = signed_headers(next_id(), $body);
refused_like('a body that was changed', 401, qr/no v1 signature matches/, post("$body ", headers => $headers));
refused_like('another secret', 401, qr/no v1 signature matches/, post_signed(next_id(), $body, secret => secret(9)));
refused_like('a timestamp of long ago', 401, qr/in the past/, post_signed(next_id(), $body, timestamp => time - 3600));
refused_like('no headers', 401, qr/id header is missing/, post($body));
refused_like('half of the headers', 401, qr/signature header is missing/,
	post($body, headers => { %$headers{qw(svix-id svix-timestamp)} }));
refused_like('another id', 401, qr/no v1 signature matches/, post($body, headers => { %$headers, 'svix-id' => next_id() }));

my $at_limit = '{"event_type":"x.y","text":"' . ('x' x ($kLimitKb * 1024 - 30)) . '"}';
is(length($at_limit), $kLimitKb * 1024, 'a body of just the limit');
is(post_signed(next_id(), $at_limit)->{status}, 202, 'is taken');
$before = stored();
refused_like('one byte more', 413, qr/65537 bytes, the limit is 64 kB/, post_signed(next_id(), "$at_limit "));

# The doors without a parser.
my $bytes = join '', map { chr } 0 .. 255;
for my $case (
	[ 'text/plain', "not JSON: \xc3\xa9, \"quotes\", \\backslash\\\n" ],
	[ 'text/plain', '' ],
	[ 'application/octet-stream', $bytes ],
	[ 'application/octet-stream', "\0" ],
	[ 'application/octet-stream', $body ])
{
	my ($type, $sent) = @$case;
	my $case_id = next_id();
	my $answer = post_signed($case_id, $sent, content_type => $type);
	is($answer->{status}, 202, "$type, " . length($sent) . ' bytes: 202') or diag explain $answer;
	is(stored_sum($case_id), sha256_hex($sent), "$type, " . length($sent) . ' bytes: stored byte for byte');
}
is(post_signed(next_id(), "{\"a\":\"\xff\"}")->{sqlstate}, '22021', 'invalid UTF-8 in JSON is refused by the server');
is(post_signed(next_id(), '')->{status}, 400, 'an empty body is no JSON');

my $white = next_id();
is(post_signed($white, $body, family => 'webhook')->{status}, 202, 'white-labelled headers are taken');
$headers = signed_headers($white, $body);
is(post($body, headers => { %$headers, authorization => 'Bearer sesame', cookie => 'sesame' })->{body}{status},
	'duplicate', 'under either family of names the message is the same');
$id = next_id();
is(post($body, headers => { %{ signed_headers($id, $body) }, authorization => 'Bearer sesame', 'user-agent' => 'Svix-Webhooks/1.0' })->{status},
	202, 'other headers do not matter');
is(run_sql($node, 'app', "SELECT string_agg(k, ' ' ORDER BY k) FROM wearables.webhook_events e, jsonb_object_keys(e.headers) k WHERE e.message_id = '$id'"),
	'content-type svix-id svix-signature svix-timestamp user-agent', 'of the headers only those for audit are kept');

$node->safe_psql('app', "SELECT wearables.add_endpoint('junction', success_status => 200)");
$id = next_id();
is(post_signed($id, $body)->{status}, 200, 'an endpoint may answer 200');
is(post_signed($id, $body)->{status}, 200, 'to a duplicate too');
$node->safe_psql('app', "SELECT wearables.add_endpoint('junction')");

# Read-only
$before = stored();
my $get = post_signed(next_id(), $body, method => 'GET');
is("$get->{status} $get->{sqlstate}", '405 25006', 'GET is refused: 25006, 405');
is(stored(), $before, 'GET stores nothing');

# Outside of PostgREST, and after it, the settings are missing or empty.
is($json->decode(ask({ sql => "SELECT wearables_api.webhook('{}'::json)" })->{value})->{status}, 'refused',
	'without request.headers the door refuses');
is(ask({ sql => "SELECT coalesce(current_setting('response.status', true), '')" })->{value} // '', '',
	'the status does not outlive its transaction');

# What the anonymous role may do.
is(run_sql($node, 'app', <<'SQL'), "wearables_api.webhook(bytea)\nwearables_api.webhook(json)\nwearables_api.webhook(text)", 'a role without rights may call the doors and nothing else');
SELECT p.oid::regprocedure::text COLLATE "C" FROM pg_proc p WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace)
  AND has_function_privilege('web_anon', p.oid, 'EXECUTE') AND has_schema_privilege('web_anon', p.pronamespace, 'USAGE')
UNION ALL
SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace)
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege('web_anon', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
ORDER BY 1;
SQL
for my $statement (
	'SELECT count(*) FROM wearables.webhook_events',
	'SELECT count(*) FROM wearables.endpoint_secrets',
	'SELECT count(*) FROM wearables.samples',
	"INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', now(), 60)",
	'DELETE FROM wearables.deliveries',
	"SELECT wearables.receive('{}', '')",
	"SELECT wearables.set_secret('junction', 'webhook', 0, NULL)",
	"SELECT wearables.sign('msg_1', now(), '', 'whsec_AAAA')",
	"SELECT nextval('wearables.event_id_seq')")
{
	is(as_anonymous($statement), '42501', "anonymous: $statement is refused");
	ask({ sql => 'ROLLBACK' });
}
is(post_signed(next_id(), $body, schema => 'wearables', function => 'set_secret')->{status}, 401, 'PostgREST would say 401');

# What is promised is on disk, whatever the session says about that.
is(ask({ sql => 'SHOW synchronous_commit' })->{value}, 'off', 'the session does not wait for its commits');
run_sql($node, 'app', 'CREATE TABLE public.note (t text); GRANT INSERT ON public.note TO authenticator');
ask({ sql => "INSERT INTO public.note VALUES ('x')" });
my $unflushed = ask({ sql => "SELECT pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn()" });
is($unflushed->{value}, 't', 'an ordinary commit is not flushed');
my $answer = post_signed(next_id(), $body, lsn => 1);
is($answer->{body}{status}, 'accepted', 'a delivery is accepted');
cmp_ok($answer->{flush_lsn}, '>', $answer->{insert_lsn}, 'and flushed, its commit included');
$answer = post_signed($id, $body, lsn => 1);
is($answer->{body}{status}, 'duplicate', 'a duplicate');
cmp_ok($answer->{flush_lsn}, '>', $answer->{insert_lsn}, 'is flushed too: the first may not have been');

# What was refused is in the log, but neither its body nor its signature.
my $nobody = 'somebody-nobody-should-read-of';
deliver($node, 'app', next_id(), $nobody, secret => secret(9));
my $log = slurp_file($node->logfile);
like($log, qr/wearables_ingest refused a delivery with status 401: no v1 signature matches/, 'the log tells of a refusal');
unlike($log, qr/@{[ unpack 'H*', $nobody ]}/, 'but not what was in it');

close $requests;
waitpid $driver, 0;
is($?, 0, 'the driver ends well');
$node->stop;
done_testing();
