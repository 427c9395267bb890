# The recipe of the manual, to the letter: its nginx conf in a real nginx, its postgrest.conf in a stand-in that behaves as
# PostgREST 12 was seen to. Bodies that PostgREST alone loses arrive; how many are lost on which way, the manual says.
use strict;
use warnings FATAL => 'all';
use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use IO::Socket::INET;
use IPC::Open2;
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $here = dirname(__FILE__);
my $dir = abs_path(PostgreSQL::Test::Utils::tempdir());
my $json = JSON::PP->new->utf8->canonical;
my $chapter = slurp_file('src/manual/postgrest.md');
my %blocks;
push @{ $blocks{$1} }, $2 while $chapter =~ /^```(\w+)\n(.*?)^```$/msg;
my (undef, $roles_sql, undef, $expose_sql, $wrapper_sql) = @{ $blocks{sql} };

# Replaces what a conf of the manual says of the machine; each must stand there.
sub adapted
{
	my ($text, %replacement) = @_;
	for my $said (sort keys %replacement)
	{
		die "the manual does not say $said" unless $text =~ s/\Q$said\E/$replacement{$said}/g;
	}
	return $text;
}

# What was started, and is ended whatever happens.
my %running;

sub start_program
{
	my ($name, $port, @command) = @_;
	$running{$name} = IPC::Run::start(\@command, '<', \undef, '>', "$dir/$name.out", '2>', "$dir/$name.err");
	for (1 .. 300)
	{
		return 1 if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
		last unless $running{$name}->pumpable;
		Time::HiRes::usleep(100_000);
	}
	diag slurp_file("$dir/$name.err");
	return 0;
}

sub stop_program
{
	my ($name) = @_;
	my $program = delete $running{$name} or return;
	$program->signal('TERM');
	eval { $program->finish };
	return;
}
END { my $status = $?; stop_program($_) for keys %running; $? = $status; }

# Under the rule of Debian's server for TCP: a password.
my $node = make_node('nginx', "wearables_ingest.databases = ''", "listen_addresses = '127.0.0.1'", "password_encryption = 'scram-sha-256'");
unlink $node->data_dir . '/pg_hba.conf';
$node->append_conf('pg_hba.conf', "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
run_sql($node, 'app', $roles_sql);

my ($rest_port, $nginx_port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;

sub start_rest
{
	my (%change) = @_;
	stop_program('postgrest');
	my $conf = "$dir/postgrest.conf";
	unlink $conf;
	append_to_file($conf, adapted($blocks{ini}[0], '127.0.0.1:5432' => '127.0.0.1:' . $node->port, 'server-port = 3000' => "server-port = $rest_port", %change));
	return start_program('postgrest', $rest_port, '/usr/bin/python3', '-B', "$here/postgrest.py", $conf);
}
like($blocks{ini}[0], qr/^server-host = "127\.0\.0\.1"/m, 'PostgREST listens on this machine alone');
ok(start_rest(), 'a PostgREST that is there before the extension');

my $sender = open2(my $answers, my $requests, '/usr/bin/python3', '-B', "$here/sender.py");
my $calls = 0;
my $now_ms = (time - 60) * 1000;
sub next_id { return message_id($now_ms + 4 * ++$calls, $calls); }

my %ways = (
	nginx => { port => $nginx_port, tls => 1, path => '/junction' },
	columns => { port => $rest_port, path => '/rpc/webhook?columns=x' },
	plain => { port => $rest_port, path => '/rpc/webhook' });

# A signed delivery as a sender makes it. %option: id, secret, headers (more of them), and what sender.py takes
sub post
{
	my ($way, $body, %option) = @_;
	my $id = delete $option{id} // next_id();
	my $headers = { %{ signed_headers($id, $body, secret => delete $option{secret}) }, %{ delete $option{headers} // {} } };
	print {$requests} $json->encode({ %{ $ways{$way} }, headers => $headers, body => encode_base64($body, ''), %option }), "\n";
	$requests->flush;
	return $json->decode(readline($answers) // die 'the sender has ended');
}

sub status_of { return post(@_)->{status} // 'none'; }

sub stored { return run_sql($node, 'app', "SELECT endpoint FROM wearables.webhook_events WHERE message_id = '$_[0]'"); }

my $body = samples_event('alice', 'heartrate', 'garmin', 'watch', [ time - 600, 61 ]);
is(status_of('plain', $body), 404, 'without the extension: 404');
install($node, 'app');
is(status_of('plain', $body), 202, 'CREATE EXTENSION tells it to look again');
run_sql($node, 'app', "SELECT wearables.add_endpoint('junction-sandbox'), wearables.set_secret('junction-sandbox', 'webhook', 0, " . literal(secret(2)) . ')');

# nginx, as whoever runs the test
my $cert = "$dir/your.host";
mkdir $cert;
mkdir "$dir/bodies";
command_ok([ 'openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=your.host',
		'-keyout', "$cert/privkey.pem", '-out', "$cert/fullchain.pem" ], 'a certificate');
append_to_file("$dir/wearables.conf", adapted($blocks{nginx}[0], 'listen 443' => "listen 127.0.0.1:$nginx_port",
		'/etc/ssl/your.host' => $cert, '127.0.0.1:3000' => "127.0.0.1:$rest_port"));
append_to_file("$dir/nginx.conf", join "\n", "daemon off; pid $dir/nginx.pid; error_log $dir/error.log info; events {}",
	"http { access_log $dir/access.log; client_body_temp_path $dir/bodies;", (map { "${_}_temp_path $dir/$_;" } qw(proxy fastcgi uwsgi scgi)), "include $dir/wearables.conf; }\n");
ok(start_program('nginx', $nginx_port, $ENV{WEARABLES_NGINX} || 'nginx', '-e', "$dir/error.log", '-p', $dir, '-c', "$dir/nginx.conf"),
	'nginx takes the conf of the manual') or die 'there is no nginx';

# 1. Bodies that a sender could sign. PostgREST alone loses the first, and keeps those that are named "kept".
my $note = 'the-note-of-somebody';
my %bodies;
my %surrogates = ('high alone' => '\ud83d', 'high in capitals' => '\uD83D', 'the lowest high' => '\ud800', 'the highest high' => '\udbff', 'high before text' => '\ud83dx',
	'high before a blank' => '\ud83d ', 'high twice' => '\ud83d\ud83d', 'high before an escape' => '\ud83d\n', 'high before another unit' => '\ud83d\u0041',
	'low alone' => '\ude00', 'the lowest low' => '\udc00', 'the highest low' => '\udfff', 'low before high' => '\ude00\ud83d', 'high behind a pair' => '\ud83d\ude00\ud83d');
$bodies{"surrogate: $_"} = qq({"event_type":"x.y","note":"$note$surrogates{$_}"}) for keys %surrogates;
$bodies{'surrogate: in a key'} = qq({"event_type":"x.y","\\ud83d":"$note"});
$bodies{'surrogate: deep in a list'} = qq({"event_type":"x.y","data":[{"notes":["a","$note\\ud83d"]}]});
$bodies{'BOM before an object'} = qq(\xef\xbb\xbf{"note":"$note"});
$bodies{'BOM before an array'} = "\xef\xbb\xbf[]";
$bodies{'BOM behind a blank'} = qq( \xef\xbb\xbf{"note":"$note"});
$bodies{'BOM alone'} = "\xef\xbb\xbf";
$bodies{'UTF-16 with BOM, little end'} = pack('v*', 0xfeff, unpack 'C*', '{"a":1}');
$bodies{'UTF-16 with BOM, big end'} = pack('n*', 0xfeff, unpack 'C*', '{"a":1}');
$bodies{ sprintf 'control character %02x in a text', $_ } = sprintf '{"note":"%s%c"}', $note, $_ for 0x01, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1b, 0x1f;
$bodies{'control character in a key'} = qq({"a\tb":"$note"});
$bodies{ sprintf 'control character %02x between tokens', $_ } = sprintf '{"note":%c"%s"}', $_, $note for 0x0b, 0x0c, 0x1e;
$bodies{'NUL in a text'} = qq({"note":"$note\0"});
$bodies{'NUL between tokens'} = qq({"note":\0"$note"});
$bodies{'NUL at the end'} = qq({"note":"$note"}\0);
$bodies{'NUL alone'} = "\0";
$bodies{'not UTF-8: Latin-1'} = qq({"note":"caf\xe9"});
$bodies{'not UTF-8: a cut character'} = qq({"note":"\xf0\x9f\x98"});
$bodies{'not UTF-8: overlong'} = qq({"note":"\xc0\xaf"});
$bodies{'not UTF-8: an encoded surrogate'} = qq({"note":"\xed\xa0\xbd"});
$bodies{'not UTF-8: a byte that never occurs'} = qq({"note":"\xff"});
$bodies{'not JSON: text'} = "$note, in words";
$bodies{'not JSON: cut in the middle'} = qq({"event_type":"x.y","note":"$note);
$bodies{'not JSON: single quotes'} = "{'note':'$note'}";
$bodies{'not JSON: a comma too many'} = qq({"note":"$note",});
$bodies{'not JSON: a comment'} = qq({"note":"$note"} // why not);
$bodies{'not JSON: NaN'} = '{"value":NaN}';
$bodies{'not JSON: two documents'} = '{"a":1}{"a":2}';
$bodies{'not JSON: an unknown escape'} = '{"note":"\x41"}';
$bodies{'not JSON: a form'} = "note=$note&value=1";
$bodies{'not JSON: XML'} = "<note>$note</note>";
$bodies{'not JSON: all bytes'} = join '', map { chr } 0 .. 255;
$bodies{'not JSON: gzip'} = "\x1f\x8b\x08\0\0\0\0\0\0\3\xab\xae\5\0C\xbf\xa6\xa3\2\0\0\0";
$bodies{'nothing'} = '';
$bodies{'blanks alone'} = " \n";
$bodies{'array of unlike objects'} = '[{"a":1},{"b":2}]';
$bodies{'array of objects with one key more'} = '[{"a":1},{"a":1,"b":2}]';
$bodies{'array of numbers'} = '[1,2,3]';
$bodies{'array of an object and a text'} = qq([{"a":1},"$note"]);
$bodies{'array of arrays'} = '[[],[]]';
$bodies{'a text'} = qq("$note");
$bodies{'a number'} = '42';
$bodies{'true'} = 'true';
$bodies{'null'} = ' null ';
$bodies{'nested as deep as no type follows'} = '{"a":' . '[' x 100_000 . ']' x 100_000 . '}';
$bodies{'kept: keys that occur twice'} = '{"a":1,"a":2,"event_type":"x.y"}';
$bodies{'kept: numbers that no type holds'} = '{"a":1e400,"b":-1E-400,"c":' . '9' x 500 . '}';
$bodies{'kept: an escaped NUL'} = '{"a":"\u0000"}';
$bodies{'kept: a whole pair'} = '{"a":"\ud83d\ude00"}';
$bodies{'kept: white space and CRLF'} = "\r\n\t{ \"a\" :\r\n[ 1 , 2 ] }\r\n";
$bodies{'kept: DEL and a noncharacter'} = "{\"a\":\"\x7f\xef\xbf\xbf\"}";
$bodies{'kept: nested a thousand times'} = '{"a":' . '[' x 1000 . ']' x 1000 . '}';
$bodies{'kept: an array of like objects'} = '[{"a":1,"b":2},{"b":1,"a":2}]';
$bodies{'kept: an empty array'} = '[]';
$bodies{'kept: 1 MB'} = '{"a":"' . 'x' x 1_000_000 . '"}';

# Which do not arrive byte for byte, on a way.
sub lost_on
{
	my ($way) = @_;
	my %id = map { $_ => next_id() } keys %bodies;
	my %answer = map { $_ => post($way, $bodies{$_}, id => $id{$_}) } sort keys %bodies;
	my %sum = map { split /\|/ } split /\n/, run_sql($node, 'app', q{SELECT message_id, encode(sha256(payload), 'hex') FROM wearables.webhook_events});
	my @lost = grep { ($sum{ $id{$_} } // '') ne sha256_hex($bodies{$_}) } sort keys %bodies;
	my %is_lost = map { $_ => 1 } @lost;
	is(join(', ', grep { ($answer{$_}{status} // 0) != 202 xor $is_lost{$_} } sort keys %bodies), '', "$way: 202 says that it arrived, and nothing else does");
	note "$way loses " . @lost . ' of ' . keys(%bodies) . ' bodies';
	note "$way: $_: " . ($answer{$_}{status} // $answer{$_}{error}) for @lost;
	return @lost;
}
my $offset = -s $node->logfile;
sub new_log { my $log = slurp_file($node->logfile, $offset); $offset = -s $node->logfile; return $log; }

my @lost = lost_on('nginx');
is(join(', ', @lost), '', 'nginx: every body arrives byte for byte');
unlike(new_log(), qr/$note|CONTEXT/, 'and no piece of one is in the log');
my @plain = lost_on('plain');
is(join(', ', grep { /^kept/ } @plain), '', 'PostgREST alone keeps what is named so');
is(scalar(grep { !/^kept/ } keys %bodies), scalar @plain, 'and loses all others');
cmp_ok(scalar @plain, '>=', 40, 'which are ' . @plain);
new_log();
my @columns = lost_on('columns');
is(join(', ', grep { !/^(BOM|UTF-16|control|NUL|not|nothing|blanks|nested)/ } @columns), '', '?columns=x loses what the type json refuses');
is(join(', ', grep { my $kind = $_; !grep { $_ eq $kind } @plain } @columns), '', 'and nothing that the plain URL keeps');
like(new_log(), qr/CONTEXT:  JSON data, line 1: .*$note/, 'and then a piece of the body is in the log');

my ($said) = $chapter =~ /\| of (\d+) odd bodies/;
is($said, scalar keys %bodies, 'the manual says of how many bodies it speaks');
like($chapter, qr/^\| nginx: .*\| loses none \|/m, 'that nginx loses none');
like($chapter, qr/columns=x`: second best \| loses @{[ scalar @columns ]} \|/, 'how many ?columns=x loses');
like($chapter, qr/not recommended \| loses @{[ scalar @plain ]} \|/, 'and how many the plain URL');

# 2. What else nginx does for a delivery.
sub arrives
{
	my ($what, $expected, $endpoint, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $id = next_id();
	is(status_of('nginx', $option{sent} // $body, id => $id, map { $_ => $option{$_} } grep { $_ ne 'sent' } keys %option), $expected, "$what: $expected");
	is(stored($id), $endpoint // '', "$what: " . ($endpoint ? "stored for $endpoint" : 'nothing is stored'));
	return;
}
arrives('in chunks', 202, 'junction', chunked => JSON::PP::true, sent => $bodies{'kept: 1 MB'});
arrives('as large as may be', 202, 'junction', sent => 'x' x (16 * 1024 * 1024));
arrives('one byte more', 413, undef, sent => 'x' x (16 * 1024 * 1024 + 1));
arrives('another content type', 202, 'junction', headers => { 'Content-Type' => 'text/xml' });
arrives('told to roll back', 202, 'junction', headers => { Prefer => 'tx=rollback' });
arrives('a token', 202, 'junction', headers => { Authorization => 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.e30' });
arrives('a wish for CSV', 202, 'junction', headers => { Accept => 'text/csv' });
arrives('a schema', 202, 'junction', headers => { 'Content-Profile' => 'pg_catalog' });
arrives('the other location', 202, 'junction-sandbox', path => '/junction-sandbox', secret => secret(2));
arrives('the secret of another endpoint', 401, undef, secret => secret(2));
arrives('the same, and its name', 401, undef, secret => secret(2), headers => { 'wearables-endpoint' => 'junction-sandbox' });
arrives('the same with a line below', 401, undef, secret => secret(2), headers => { wearables_endpoint => 'junction-sandbox' });
arrives('the name of another', 202, 'junction', headers => { 'Wearables-Endpoint' => 'junction-sandbox' });
arrives('no such location', 404, undef, path => '/rpc/webhook');
arrives('GET', 405, undef, method => 'GET');
arrives('PUT', 405, undef, method => 'PUT');
is(status_of('plain', $body, headers => { Authorization => 'Bearer eyJhbGciOiJIUzI1NiJ9.e30.e30' }), 500, 'without nginx a token is asked for a role');
is(status_of('plain', $body, headers => { 'wearables-endpoint' => 'junction-sandbox' }), 401, 'and a stranger who names an endpoint must have its secret');
is(status_of('plain', $body, headers => { 'wearables-endpoint' => 'nobody' }), 401, 'an unknown one is answered like a wrong signature');
unlike(slurp_file("$dir/error.log"), qr/buffered to a temporary file/, 'no body was in a file of nginx');
unlike(slurp_file("$dir/access.log") . slurp_file("$dir/error.log"), qr/$note/, 'nor in its logs');

# 3. A door that is stuck
{
	run_sql($node, 'app', q{ALTER ROLE web_anon SET statement_timeout = '1s'; NOTIFY pgrst, 'reload config'});
	my $lock = IPC::Run::start([ $node->installed_command('psql'), '-XAtq', '-d', $node->connstr('app'), '-c', 'BEGIN; LOCK TABLE wearables.deliveries; SELECT pg_sleep(600)' ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');
	wait_until($node, 'app', q{SELECT count(*) = 1 FROM pg_locks WHERE relation = 'wearables.deliveries'::regclass AND mode = 'AccessExclusiveLock' AND granted}, 'somebody holds a lock');
	my $id = next_id();
	is(status_of('nginx', $body, id => $id), 500, 'a delivery that waits for it ends by the timeout of the role');
	run_sql($node, 'app', q{SELECT pg_terminate_backend(pid) FROM pg_locks WHERE relation = 'wearables.deliveries'::regclass AND mode = 'AccessExclusiveLock'});
	$lock->finish;
	is(status_of('nginx', $body, id => $id), 202, 'and its next attempt arrives');
	run_sql($node, 'app', q{ALTER ROLE web_anon SET statement_timeout = '8s'; NOTIFY pgrst, 'reload config'});
}

# 4. A function for each endpoint
run_sql($node, 'app', $expose_sql);
run_sql($node, 'app', q{SELECT wearables.set_secret('junction-eu', 'webhook', 0, } . literal(secret(3)) . ')');
for my $query ('', '?columns=x')
{
	my $path = "/rpc/webhook_junction-eu$query";
	my $id = next_id();
	is(status_of('plain', $body, id => $id, path => $path, secret => secret(3)), 202, "$path is found");
	is(stored($id), 'junction-eu', 'and is of that endpoint');
	is(status_of('plain', $body, path => $path), 401, 'another secret does not open it');
	is(status_of('plain', $body, path => $path, headers => { 'wearables-endpoint' => 'junction' }), 401, 'whatever the sender calls himself');
}
is(status_of('plain', $body, path => '/rpc/webhook?endpoint=junction'), 400, 'an endpoint in the query is 400');
is(status_of('plain', $body, path => '/rpc/webhook/junction'), 404, 'and in the path 404');
run_sql($node, 'app', q{DELETE FROM wearables.endpoints WHERE name = 'junction-eu'});
is(status_of('plain', $body, path => '/rpc/webhook_junction-eu', secret => secret(3)), 404, 'it goes with its endpoint');

# 5. Other settings of PostgREST's
ok(start_rest('db-schemas = "wearables_api"' => 'db-schemas = "api, wearables_api"', 'db-tx-end = "commit"' => 'db-tx-end = "commit-allow-override"',
		'db-prepared-statements = true' => 'db-prepared-statements = false'), 'PostgREST with a schema of the site first');
my %bytes = (headers => { 'Content-Type' => 'application/octet-stream' });
is(status_of('plain', $body, %bytes), 404, 'a sender is not found the door');
arrives('through nginx', 202, 'junction', headers => { Prefer => 'tx=rollback' });
is(status_of('plain', $body, headers => { 'Content-Profile' => 'wearables_api', Prefer => 'tx=rollback' }), 400, 'without it, a delivery to be rolled back is refused');
is(status_of('plain', $body, headers => { 'Content-Profile' => 'pg_catalog' }), 406, 'and another schema');
run_sql($node, 'app', "$wrapper_sql; NOTIFY pgrst, 'reload schema'");
my $id = next_id();
is(status_of('plain', $body, id => $id, %bytes), 202, 'the wrapper of the manual works');
is(stored($id), 'junction', 'and stores');

# 6. Nothing behind nginx
stop_program('postgrest');
arrives('no PostgREST', 502, undef);

close $requests;
waitpid $sender, 0;
stop_program('nginx');
$node->stop;
done_testing();
