# Where secrets lie, what refusals tell, what stands in the server's log, what a sender may make the door store.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $place = PostgreSQL::Test::Utils::tempdir_short();
my $node = make_node('secrets', "wearables_ingest.databases = ''", 'restart_after_crash = on', "wearables_ingest.secret_directory = '$place/allowed'", "wearables_ingest.secret_env_prefix = 'WEARABLES_'");
mkdir "$place/allowed";
local $ENV{WEARABLES_GOOD} = secret(1);
local $ENV{WEARABLES_EMPTY} = '';
$node->start;
install($node, 'postgres', 'alice');
run_sql($node, 'postgres', q{CREATE ROLE keeper LOGIN; SELECT wearables.grant_access('keeper', 'operator');
CREATE ROLE reads_files LOGIN IN ROLE pg_read_server_files; SELECT wearables.grant_access('reads_files', 'operator')});
sub slurp_log { return slurp_file($node->logfile); }

# 4. What an operator learns of the server's files: nothing, whatever is there.
PostgreSQL::Test::Utils::append_to_file("$place/other", secret(2));
chmod 0600, "$place/other";
my @inside = qw(good empty not_base64 large short directory fifo link_out unreadable);
append_to_file("$place/allowed/good", secret(1) . "\n");
append_to_file("$place/allowed/empty", '');
append_to_file("$place/allowed/not_base64", 'whsec_%%% not base64 %%%');
append_to_file("$place/allowed/large", 'whsec_' . 'A' x 1_000_000);
append_to_file("$place/allowed/short", 'whsec_QUJD');
append_to_file("$place/allowed/unreadable", secret(1));
chmod 0, "$place/allowed/unreadable";
mkdir "$place/allowed/directory";
POSIX::mkfifo("$place/allowed/fifo", 0600);
symlink '/dev/zero', "$place/allowed/link_out";

my %answers;
for my $value (map { "file:$_" } "$place/other", '/etc/passwd', '/etc/hostname', '/nonexistent', '/dev/ptmx', '/dev/zero', '/', "$place/allowed/../other", "$place/allowed/missing", map { "$place/allowed/$_" } @inside)
{
	my $run = as_role($node, 'postgres', 'keeper', sprintf "SET statement_timeout = '10s'; SELECT wearables.set_secret('junction', 'webhook', 1, %s); SELECT wearables.health.verdict FROM wearables.health;", literal($value));
	push @{ $answers{ ($run->{states}[0] // 'let in') . ' ' . ($run->{err} =~ /ERROR: +\w+: +(.*)/ ? $1 : '') } }, $value;
}
is(scalar keys %answers, 1, 'one answer to an operator, whatever lies there') or diag explain \%answers;
like((keys %answers)[0], qr/^42501 /, 'that he has not the right');

for my $value (map { "file:$_" } "$place/other", '/etc/passwd', '/dev/ptmx', "$place/allowed/../other", "$place/allowed", "$place/allowed/", "$place/allowed/./../other", 'relative')
{
	my $run = as_role($node, 'postgres', 'reads_files', sprintf q{SELECT wearables.set_secret('junction', 'webhook', 1, %s)}, literal($value));
	like($run->{states}[0] // 'let in', qr/^(42501|22023)$/, "$value is not in the directory that a superuser allowed");
}
for my $value (qw(env:PATH env:PGDATA env:HOME env:wearables_x env:WEARABLES env:))
{
	my $run = as_role($node, 'postgres', 'reads_files', sprintf q{SELECT wearables.set_secret('junction', 'webhook', 1, %s)}, literal($value));
	like($run->{states}[0] // 'let in', qr/^(42501|22023)$/, "$value has not the prefix that a superuser allowed");
}

# The answers of the door, with each secret that cannot be had: one, at once, and not the cause.
my $beat = samples_event('alice', 'heartrate', 'garmin', 'watch', [ 1_700_000_000, 4242.4242 ]);
my %replies;
for my $value ((map { "file:$place/allowed/$_" } (grep { $_ ne 'good' } @inside), 'missing', 'a/b'), 'env:WEARABLES_MISSING', 'env:WEARABLES_EMPTY')
{
	run_sql($node, 'postgres', 'DELETE FROM wearables.endpoint_secrets');
	# what set_secret() would refuse, somebody may have written
	run_sql($node, 'postgres', sprintf q{INSERT INTO wearables.endpoint_secrets (endpoint, kind, ordinal, value) SELECT 'junction', 'webhook', 0, %s}, literal($value));
	my $start = Time::HiRes::time();
	my $run = as_role($node, 'postgres', 'postgres', "SET statement_timeout = '5s';\n" . receive_sql(message_id(1_700_000_000_000, $value), $beat));
	my $answer = ($run->{out} =~ s/^[^|]*//r) . ' ' . join ' ', @{ $run->{states} };
	push @{ $replies{$answer} }, $value;
	cmp_ok(Time::HiRes::time() - $start, '<', 5, "an answer at once, with $value");
	is(run_sql($node, 'postgres', q{SELECT reason ~ 'secret of endpoint .* cannot be read' FROM wearables.health}), 't', "health says that it is unreadable: $value");
	unlike(run_sql($node, 'postgres', q{SELECT h::text FROM wearables.health h}), qr{\Q$place\E|WEARABLES_|empty|base64|exist}, 'and no more');
}
is(scalar keys %replies, 1, 'one answer to a sender, whatever lies there') or diag explain \%replies;
like((keys %replies)[0], qr/refused\|401 $/, 'a refusal');
like(slurp_log(), qr/No such file/, 'the log says why');
for my $value ("file:$place/allowed/good", 'env:WEARABLES_GOOD')
{
	run_sql($node, 'postgres', sprintf q{SELECT wearables.set_secret('junction', 'webhook', 0, %s)}, literal($value));
	is(deliver($node, 'postgres', message_id(1_700_000_000_000, $value), $beat, secret => secret(1)), 'accepted', "$value is good");
}

# 9. Short secrets, and an endpoint without any that sorts first.
for my $length (1 .. 6, 23, 24)
{
	my $short = 'whsec_' . MIME::Base64::encode_base64('x' x $length, '');
	my $run = as_role($node, 'postgres', 'keeper', "SELECT wearables.set_secret('junction', 'webhook', 2, '$short')");
	is($run->{states}[0] // 'let in', $length < 24 ? '28P01' : 'let in', "a secret of $length bytes");
}
run_sql($node, 'postgres', q{SELECT wearables.add_endpoint('aaa'); SELECT wearables.set_secret('junction', 'webhook', 0, } . literal(secret()) . ')');
is(run_sql($node, 'postgres', receive_sql(message_id(1_700_000_000_000, 'x'), $beat, secret => secret(9))) =~ s/^[^|]*//r, '|refused|401', 'a wrong signature is refused beside an endpoint without a secret');
unlike(run_sql($node, 'postgres', sprintf 'SELECT reason FROM wearables.receive(%s, convert_to(%s, %s))', literal(to_json(signed_headers('msg_x', $beat, secret => secret(9)))), literal($beat), q{'UTF8'}), qr/no signing secret/, 'and not for want of a secret');

# an API key goes to the address it was given for
run_sql($node, 'postgres', q{SELECT wearables.add_endpoint('pull', base_url => 'https://api.example.com'); SELECT wearables.set_secret('pull', 'api_key', 0, 'sk_us_key_of_the_site')});
my $keys = q{SELECT count(*) FROM wearables.endpoint_secrets WHERE endpoint = 'pull'};
as_role($node, 'postgres', 'keeper', q{SELECT wearables.add_endpoint('pull', base_url => 'https://api.example.com', success_status => 200)});
is(run_sql($node, 'postgres', $keys), 1, 'a key stays with its address');
as_role($node, 'postgres', 'keeper', q{SELECT wearables.add_endpoint('pull', base_url => 'https://keeper.example.com')});
is(run_sql($node, 'postgres', $keys), 0, 'and does not go to another');

# what is kept of headers is cut, and a flood of signatures is no work
{
	my $door = sub {
		my ($headers, $more) = @_;
		return run_sql($node, 'postgres', sprintf q{SELECT r.status, r.http_status FROM wearables.receive(%s || %s, convert_to(%s, 'UTF8')) r}, literal(to_json($headers)) . '::jsonb', $more, literal($beat));
	};
	my $headers = signed_headers(message_id(1_700_000_000_000, 'flood'), $beat);
	is($door->($headers, q{(SELECT jsonb_object_agg('x-' || i, repeat('y', 2000)) || jsonb_build_object('user-agent', repeat('x', 5000000)) FROM generate_series(1, 2000) i)}),
		'accepted|202', 'a delivery with 9 MB of headers is taken');
	cmp_ok(run_sql($node, 'postgres', q{SELECT max(pg_column_size(headers)) FROM wearables.webhook_events}), '<', 20_000, 'and its headers are cut');
	$headers = signed_headers(message_id(1_700_000_000_000, 'flood 2'), $beat);
	my $wrong = q{jsonb_build_object('svix-signature', repeat('v1,' || repeat('A', 43) || '= ', %d) || %s)};
	is($door->($headers, sprintf $wrong, 15, literal($headers->{'svix-signature'})), 'accepted|202', 'the sixteenth signature counts');
	my $size = run_sql($node, 'postgres', q{SELECT pg_database_size(current_database())});
	is($door->($headers, sprintf $wrong, 1_000_000, q{''}), 'refused|401', '48 MB of signatures are refused');
	cmp_ok(run_sql($node, 'postgres', q{SELECT pg_database_size(current_database())}) - $size, '<', 1_000_000, 'and nothing of them is stored');
}

# an unsigned body costs one hash for each distinct secret, and these are few
{
	run_sql($node, 'postgres', sprintf q{
DO $$ BEGIN
FOR e IN 1 .. 6 LOOP PERFORM wearables.add_endpoint('e' || e);
FOR s IN 0 .. 15 LOOP PERFORM wearables.set_secret('e' || e, 'webhook', s, 'whsec_' || encode(sha256(('s' || s)::bytea), 'base64')); END LOOP; END LOOP; END $$});
	my ($one, $many) = map { run_sql($node, 'postgres', sprintf q{
DO $$ DECLARE body bytea := convert_to(repeat('x', 15000000), 'UTF8'); headers jsonb := %s; at timestamptz; took interval := '1 hour'; r wearables.receipt;
BEGIN FOR i IN 1 .. 5 LOOP at := clock_timestamp(); r := wearables.receive(headers, body, %s); took := least(took, clock_timestamp() - at); END LOOP;
PERFORM set_config('attack.took', extract(epoch FROM took)::text, false); END $$;
SELECT current_setting('attack.took')}, literal(to_json({ %{ signed_headers('msg_y', 'x') } })), $_) } q{'junction'}, 'NULL';
	note "an unsigned body of 15 MB: $one s of one endpoint with its secret, $many s of six with sixteen each";
	# one and sixteen others, where it was 96: a ratio of costs, with much room for a busy machine
	cmp_ok($many, '<', 40 * $one, 'six endpoints of the same sixteen secrets cost sixteen hashes');
	run_sql($node, 'postgres', q{DELETE FROM wearables.endpoint_secrets WHERE endpoint LIKE 'e_'; DELETE FROM wearables.endpoints WHERE name LIKE 'e_'});
}

# a proxy told to roll back: never a 2xx for what is not stored
for my $prefer ('tx=rollback', 'return=minimal, tx=rollback', 'TX=ROLLBACK', 'handling=strict,tx=rollback ')
{
	my %headers = (%{ signed_headers(message_id(1_700_000_000_000, $prefer), $beat) }, prefer => $prefer);
	my $out = run_sql($node, 'postgres', sprintf q{BEGIN; SET LOCAL request.headers = %s; SELECT wearables_api.webhook(convert_to(%s, 'UTF8')); SELECT current_setting('response.status', true); ROLLBACK;}, literal(to_json(\%headers)), literal($beat));
	like($out, qr/\n400$/, "Prefer: $prefer is refused");
}

# 5. Nothing of ours logs a secret or a reading, on any way an error can take. The servers' log of this block is read.
{
	my $offset = -s $node->logfile;
	my $planted = 'whsec_' . MIME::Base64::encode_base64('planted planted planted planted', '');
	my $bad = $planted . '%%';
	my $reading = '4242.4242';
	my $body = samples_event('alice', 'heartrate', 'garmin', 'watch', [ 1_700_000_000, '4242.4242' ]);
	my $cut = substr $body, 0, length($body) - 5;
	my $hex = unpack 'H*', $body;
	my $headers = literal(to_json(signed_headers('msg_p', $body, secret => $planted)));
	my @ways = (
		"SELECT wearables.set_secret('junction', 'wrong kind', 0, '$planted')", "SELECT wearables.set_secret('junction', 'webhook', 0, '$bad')",
		"SELECT wearables.set_secret('junction', 'webhook', 99, '$planted')", "SELECT wearables.set_secret('nobody', 'webhook', 0, '$planted')",
		"SELECT wearables.set_secret(NULL, 'webhook', 0, '$planted')", "SELECT wearables.set_secret('junction', 'webhook', NULL, '$planted')", "SELECT wearables.set_secret('junction', NULL, 0, '$planted')",
		"SELECT wearables.set_secret('junction', 'api_key', 0, E'sk_$planted\\n')", "SELECT wearables.set_secret('junction', 'webhook', 0, '$planted '::text || repeat('x', 10000))",
		"SELECT wearables.set_secret('junction', 'api_key', 0, '')", "SELECT wearables.set_secret('$planted', '$planted', 0, 'file:/$planted')",
		"SELECT wearables.sign('msg_p', now(), '\\x$hex', '$bad')", "SELECT wearables.sign('msg.p', now(), '\\x$hex', '$planted')", "SELECT wearables.sign('msg_p', 'infinity', '\\x$hex', '$planted')",
		"SELECT wearables.signed_headers('msg_p', now(), '\\x$hex', '$bad')", "SELECT wearables.signed_headers('', now(), '\\x$hex', '$planted')",
		"SELECT wearables.verify_signature($headers, '\\x$hex', '{}')", "SELECT wearables.verify_signature($headers, '\\x$hex', ARRAY['$bad'])", "SELECT wearables.verify_signature($headers, '\\x$hex', ARRAY['$planted', NULL])",
		"SELECT wearables.verify_signature($headers, '\\x$hex', ARRAY['$planted'], 'infinity')", "SELECT wearables.verify_signature($headers, '\\x$hex', ARRAY['$planted'], now(), '-1 s')",
		"SELECT wearables.verify_signature($headers, '\\x$hex', ARRAY[['$planted'],['$bad']])", "SELECT wearables.verify_signature('[]', '\\x$hex', ARRAY['$planted'])",
		"SELECT wearables.receive('[]', '\\x$hex')", "SELECT wearables.receive('{\"svix-id\": [1]}', '\\x$hex')", "SELECT wearables.receive($headers, '\\x$hex', 'nobody')", "SELECT wearables.receive($headers, '\\x$hex')", "SELECT wearables.receive(NULL, '\\x$hex')",
		"BEGIN READ ONLY; SELECT wearables.receive(" . literal(to_json(signed_headers('msg_q', $body))) . ", '\\x$hex'); ROLLBACK",
		"BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT wearables.receive(" . literal(to_json(signed_headers('msg_q', $body))) . ", '\\x$hex'); ROLLBACK",
		"SET request.headers = 'no json'; SELECT wearables_api.webhook(" . literal($body) . "::text)", "SET request.headers = '[]'; SELECT wearables_api.webhook('\\x$hex'::bytea)",
		"RESET request.headers; SELECT wearables_api.webhook(" . literal($body) . "::text)", 'SELECT wearables_api.webhook(' . literal($body) . '::json)',
		'SELECT wearables.normalize(' . literal('daily.data.heartrate.created') . ", '\\x$hex'::bytea || '\\xff')", 'SELECT wearables.normalize(' . literal('daily.data.heartrate.created') . ', convert_to(' . literal($cut) . q{, 'UTF8'))},
		'SELECT wearables.normalize(' . literal('daily.data.heartrate.created') . ', ' . literal('[' . $body . ']') . '::jsonb)', 'SELECT wearables.body_fields(convert_to(' . literal($cut) . q{, 'UTF8'))}, "SELECT wearables.body_fields('\\x$hex'::bytea || '\\xff')",
		"INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', now(), $reading)", "INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'nothing', now(), $reading)",
		"INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (99, 'heart_rate_variability', now(), $reading)", "INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'steps', 'infinity', $reading)",
		"INSERT INTO wearables.samples (user_id, metric, ts, value, unit) VALUES (1, 'steps', now(), $reading, 'furlong')", "INSERT INTO wearables.samples (user_id, metric, ts, value, channel) VALUES (1, 'steps', now(), $reading, 'sleep')",
		"INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'steps', now(), $reading, '')", "INSERT INTO wearables.samples (user_id, metric, ts, value, version) VALUES (1, 'steps', now(), $reading, -1)");
	push @ways, map { my $way = $_; "DO \$do\$ BEGIN " . ($way =~ s/^SELECT/PERFORM/r) . "; END \$do\$" } grep { /^SELECT/ } @ways;
	my $failed = 0;
	for my $way (@ways)
	{
		my $run = as_role($node, 'postgres', 'postgres', "SET statement_timeout = '20s';\n$way;\n");
		++$failed if $run->{err} =~ /ERROR/;
		is(scalar(grep { /^(XX|42601|42883|42703|42P02)/ } @{ $run->{states} }), 0, 'the way is one into our code') or diag "$way\n$run->{err}";
		# a client sees its own statement as the context, and nobody else's
		unlike($run->{err} =~ s/^CONTEXT: .*?(?=^\w+: )//msr, qr/planted|cGxhbnRlZ/, 'the error shown holds no secret') or diag $way;
	}
	# bind parameters, logged where a site asks for them, and a statement that is cut off
	run_sql($node, 'postgres', q{ALTER SYSTEM SET log_parameter_max_length_on_error = -1; SELECT pg_reload_conf()});
	for my $way ([ 'SELECT wearables.set_secret($1, $2, 0, $3)', 'junction', 'wrong', $planted ], [ 'SELECT wearables.normalize($1, convert_to($2, $3))', 'daily.data.heartrate.created', $cut, 'UTF8' ],
		[ 'INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, $1, now(), $2::float8)', 'nothing', $reading ])
	{
		my ($sql, @values) = @$way;
		my $script = "$place/script";
		unlink $script;
		append_to_file($script, ($sql =~ s/\$(\d)/:v$1/gr) . ";\n");
		my ($out, $err);
		IPC::Run::run([ $node->installed_command('pgbench'), '-n', '-M', 'extended', '-t', '1', '-f', $script, (map { ('-D', 'v' . ($_ + 1) . "=$values[$_]") } 0 .. $#values), $node->connstr('postgres') ], '<', \undef, '>', \$out, '2>', \$err);
		like($err, qr/ERROR/, 'a bound parameter comes to an error of ours') or diag $out;
		++$failed;
	}
	cmp_ok($failed, '>', 50, "there were errors: $failed");
	my $log = substr slurp_log(), $offset;
	cmp_ok(scalar(() = $log =~ /ERROR:/g), '>', 50, 'and they are in the log');
	my @lines = split /\n(?=\d{4}-\d\d-\d\d)/, $log;
	my @secrets = grep { /planted/ || /cGxhbnRlZ/ } @lines;
	is(scalar @secrets, 0, 'no line of the log holds a secret') or diag join "\n", map { substr $_, 0, 500 } @secrets[0 .. ($#secrets < 5 ? $#secrets : 5)];
	my $hex_reading = unpack 'H*', $reading;
	my @readings = grep { /\Q$reading\E|$hex_reading/ } @lines;
	is(scalar @readings, 0, 'no line of the log holds a reading') or diag join "\n", map { substr $_, 0, 500 } @readings[0 .. ($#readings < 5 ? $#readings : 5)];
}
is(restart_count($node), 0, 'the server has not crashed');

$node->stop;
done_testing();
