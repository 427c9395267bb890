# What a person with a token, and a reader who is limited to some users, try to learn of somebody else: by every function
# and view, filter, embedding, error message, plan and token. bob's data hold words and numbers that nothing else holds.
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

my $node = make_node('people', "wearables_ingest.databases = ''", 'restart_after_crash = on', "timezone = 'UTC'");
$node->start;
run_sql($node, 'postgres', q{
CREATE ROLE web_anon NOLOGIN; CREATE ROLE app_user NOLOGIN; CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT web_anon, app_user TO authenticator;
CREATE ROLE nurse LOGIN; CREATE ROLE care NOLOGIN; CREATE ROLE everyone LOGIN;
GRANT care TO nurse;
GRANT TEMP ON DATABASE postgres TO PUBLIC});
install($node, 'postgres', 'alice', 'bob');
run_sql($node, 'postgres', q{
SELECT wearables.grant_access('app_user', 'self'), wearables.grant_access('care', 'reader'), wearables.grant_access('everyone', 'reader'), wearables.limit_reader('care');
SELECT wearables.assign_users('care', '{1}')});

# 177.25 and whatever says bob are his; alice's pulse is 61
my $noon = 1_774_785_600;  # 2026-03-29 12:00 UTC
my $n = 0;
sub send_event { my ($body) = @_; return deliver($node, 'postgres', message_id(1_774_800_000_000 + 8 * ++$n, $n), $body); }
send_event(samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $noon + 60 * $_, 61 ] } 0 .. 9));
send_event(samples_event('bob', 'heartrate', 'bobs_ring', 'bobs_type', map { [ $noon + 60 * $_, 177.25 ] } 0 .. 99));
send_event(document_event('alice', 'sleep', 'oura', 'ring', { id => 'night-a', bedtime_start => rfc3339($noon - 36000), bedtime_stop => rfc3339($noon - 3600), hr_lowest => 48, duration => 28000, total => 27000 }));
send_event(document_event('bob', 'sleep', 'bobs_ring', 'ring', { id => 'night-of-bob', bedtime_start => rfc3339($noon - 36000), bedtime_stop => rfc3339($noon - 3600), hr_lowest => 177.25, duration => 28000, total => 27000 }));
send_event(connection_event('alice', 'created', 'garmin'));
send_event(connection_event('bob', 'created', 'bobs_ring'));
run_sql($node, 'postgres', 'CALL wearables.drain()');
run_sql($node, 'postgres', q{INSERT INTO wearables.metrics (name, unit, parent) VALUES ('heartrate/bobs_kind', '/min', 'heartrate');
SET session_replication_role = replica; UPDATE wearables.metrics SET origin = 'extended' WHERE name = 'heartrate/bobs_kind'; RESET session_replication_role;
INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (2, 'heartrate/bobs_kind', '2026-03-29 12:00Z', 177.25, 'bobs_ring'); ANALYZE});
my $of_bob = qr/177\.25|177|bob|ext-bob/i;

# The proxy, as the manual sets it up.
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $secret = 'a secret of at least thirty-two bytes';
my $dir = PostgreSQL::Test::Utils::tempdir;
append_to_file("$dir/postgrest.conf", join "\n", 'db-uri = "' . $node->connstr('postgres') . ' user=authenticator"', 'db-schemas = "wearables_api"', 'db-anon-role = "web_anon"',
	'server-host = "127.0.0.1"', "server-port = $port", qq{jwt-secret = "$secret"}, '');
my $rest = IPC::Run::start([ '/usr/bin/python3', '-B', dirname(__FILE__) . '/../tap/postgrest.py', "$dir/postgrest.conf" ], '<', \undef, '>', "$dir/rest.out", '2>', "$dir/rest.err");
END { my $status = $?; if ($rest) { $rest->signal('TERM'); eval { $rest->finish }; } $? = $status; }
for (1 .. 300) { last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port); Time::HiRes::usleep(100_000); }

my $json = JSON::PP->new->utf8->canonical;
my $http = HTTP::Tiny->new(timeout => 60);

sub url_part { my ($text) = @_; return $text =~ s/([^A-Za-z0-9_.~-])/sprintf '%%%02X', ord $1/ger; }
sub base64url { my ($bytes) = @_; return encode_base64($bytes, '') =~ tr{+/}{-_}r =~ s/=+$//r; }

# %option: alg, secret, text: the claims as they stand
sub token
{
	my ($claims, %option) = @_;
	my $signed = base64url($json->encode({ alg => $option{alg} // 'HS256', typ => 'JWT' })) . '.' . base64url($option{text} // $json->encode($claims));
	return "$signed." . base64url(hmac_sha256($signed, $option{secret} // $secret));
}
my $alice = token({ role => 'app_user', sub => 'alice' });

# GET with the arguments in the URL. Gives status and body.
sub get_from
{
	my ($token, $path, $arguments, %headers) = @_;
	my @pairs = ref $arguments eq 'ARRAY' ? @$arguments : %{ $arguments // {} };
	my @parts;
	while (my ($name, $value) = splice @pairs, 0, 2) { push @parts, url_part($name) . '=' . url_part($value) }
	my $response = $http->get("http://127.0.0.1:$port/$path" . (@parts ? '?' . join '&', @parts : ''), { headers => { defined $token ? (Authorization => "Bearer $token") : (), %headers } });
	return ($response->{status}, $response->{content});
}

sub post_to
{
	my ($token, $path, $arguments, %headers) = @_;
	my $response = $http->post("http://127.0.0.1:$port/$path", { content => ref $arguments ? $json->encode($arguments) : $arguments,
		headers => { 'Content-Type' => 'application/json', defined $token ? (Authorization => "Bearer $token") : (), %headers } });
	return ($response->{status}, $response->{content});
}

# A test: the answer tells nothing of bob.
sub tells_nothing
{
	my ($what, $status, $content, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($content, $of_bob, "$what tells nothing of bob") or diag $content;
	is($status, $expected, "$what: $expected") or diag $content if defined $expected;
	return;
}

my %day = (from_time => '2026-03-29', to_time => '2026-03-30');
my %calls = (
	my_timeseries => { metric => 'heartrate', %day, bucket => 'hour' }, my_samples => { metric => 'heartrate', %day }, my_latest => {},
	my_nights => { from_day => '2026-03-28', to_day => '2026-03-31' }, my_connections => {});

# 1. She reads herself by each function, and him by none; he reads himself, so there was something to see.
my $bob = token({ role => 'app_user', sub => 'bob' });
for my $function (sort keys %calls)
{
	for my $way (\&get_from, \&post_to)
	{
		my ($status, $content) = $way->($alice, "rpc/$function", $calls{$function});
		tells_nothing($function, $status, $content, 200);
		cmp_ok(scalar @{ $json->decode($content) }, '>', 0, "$function shows her something");
	}
	my ($status, $content) = get_from($bob, "rpc/$function", $calls{$function});
	like($content, $of_bob, "$function shows bob himself");
	tells_nothing("$function after him, in the same session", get_from($alice, "rpc/$function", $calls{$function}), 200);
	($status, $content) = get_from(undef, "rpc/$function", $calls{$function});
	tells_nothing("$function without a token", $status, $content, 401);
}
{
	my ($status, $content) = post_to($alice, 'rpc/my_sync', {});
	tells_nothing('my_sync', $status, $content, 200);
	is($content, 0, 'and says how many pulls it asked for');
	tells_nothing('my_sync by GET', get_from($alice, 'rpc/my_sync', {}), 405);
	post_to($alice, 'rpc/my_sync', {}) for 2 .. 8;
	tells_nothing('the ninth my_sync', post_to($alice, 'rpc/my_sync', {}), 429);
	is((post_to($bob, 'rpc/my_sync', {}))[0], 200, 'hers are not his');
}

# 2. Nothing else is there: other functions, tables and views, by name and by schema.
for my $path (qw(samples users sample_points rpc/timeseries rpc/latest rpc/claimed_user rpc/claiming_user rpc/set_config rpc/register_user rpc/sync rpc/grant_access rpc/pg_sleep rpc/my_everything))
{
	for my $schema (undef, qw(wearables wearables_internal pg_catalog public))
	{
		my ($status, $content) = get_from($alice, $path, { user_id => '2' }, defined $schema ? ('Accept-Profile' => $schema) : ());
		tells_nothing("$path of " . ($schema // 'the schema'), $status, $content);
		like($status, qr/^40[46]$/, 'and is not there');
	}
}
# PUBLIC's own functions say nothing of anybody
tells_nothing('the door', post_to($alice, 'rpc/webhook', '{"event_type": "x", "user_id": "ext-bob", "client_user_id": "someone"}'));

# 3. Arguments that are not hers to give, and texts that want to be more than texts.
for my $more ({ user_id => 2 }, { person => 2 }, { client_user_id => 'x' }, { sub => 'x' }, { '$1' => 2 }, { 'request.jwt.claims' => '{}' })
{
	for my $function (sort keys %calls)
	{
		tells_nothing("$function with " . join(' ', %$more), post_to($alice, "rpc/$function", { %{ $calls{$function} }, %$more }), 404);
	}
}
for my $text ("' OR true --", "heartrate' OR user_id = 2 --", '%', '*', "heartrate\x{0}", '{heartrate}', '$1', '\\', 'x' x 10_000, '..', 'null')
{
	tells_nothing('a metric of odd text', post_to($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, metric => $text }));
	tells_nothing('a metric of odd text', post_to($alice, 'rpc/my_samples', { %{ $calls{my_samples} }, metric => $text }));
	tells_nothing('a provider of odd text', post_to($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, only_provider => $text }));
	tells_nothing('a provider of odd text', post_to($alice, 'rpc/my_nights', { %{ $calls{my_nights} }, only_provider => $text }));
	tells_nothing('a zone of odd text', post_to($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, time_zone => $text }));
	tells_nothing('a bucket of odd text', post_to($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, bucket => $text }));
	tells_nothing('a merge of odd text', post_to($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, merge => $text }), 400);
	for my $bound (qw(from_time to_time))
	{
		my ($status, $content) = post_to($alice, 'rpc/my_samples', { %{ $calls{my_samples} }, $bound => $text });
		tells_nothing('a bound of odd text', $status, $content, 400);
	}
}
# what only he has is as what nobody has, to the letter
for my $function (qw(my_timeseries my_samples))
{
	my ($his) = (get_from($alice, "rpc/$function", { %{ $calls{$function} }, metric => 'heartrate/bobs_kind' }))[1] =~ s/heartrate.bobs_kind//gr;
	my ($none) = (get_from($alice, "rpc/$function", { %{ $calls{$function} }, metric => 'heartrate/nobodys' }))[1] =~ s/heartrate.nobodys//gr;
	is($his, $none, "$function of a metric that only bob has is as of one that nobody has");
}
is((get_from($alice, 'rpc/my_timeseries', { %{ $calls{my_timeseries} }, only_provider => 'bobs_ring' }))[1], '[]', 'and so is his provider');

# 4. Filters, casts, order and embedding work on her rows alone.
for my $query ([ value => 'gt.100' ], [ value => 'neq.61' ], [ value => 'is.null' ], [ user_id => 'eq.2' ], [ provider => 'eq.bobs_ring' ], [ provider => 'like.*' ], [ ts => 'gte.1900-01-01' ],
	[ select => 'value,provider' ], [ select => '*,users(*)' ], [ select => 'value::text' ], [ select => 'value::regclass' ], [ select => 'provider::bytea' ], [ select => 'user_id' ], [ order => 'value.desc' ], [ limit => '1000000' ],
	[ or => '(value.gt.1,value.lt.1)' ], [ value => 'eq.(select 1)' ], [ "value\" or true or \"value" => 'gt.1' ], [ provider => 'match.(x+x+)+y' ])
{
	for my $function (qw(my_samples my_timeseries my_latest))
	{
		tells_nothing("$function?" . join('=', @$query), get_from($alice, "rpc/$function", [ %{ $calls{$function} }, @$query ]));
	}
}

# 5. Tokens that are none, or somebody else's.
for my $try (
	[ 'an unsigned token', token({ role => 'app_user', sub => 'bob' }, alg => 'none'), 401 ], [ 'a token of another secret', token({ role => 'app_user', sub => 'bob' }, secret => 'x' x 40), 401 ],
	[ 'a token past its time', token({ role => 'app_user', sub => 'bob', exp => time - 3600 }), 401 ], [ 'her token with another body', $alice =~ s/\.[^.]+\./'.' . base64url('{"role":"app_user","sub":"bob"}') . '.'/er, 401 ],
	[ 'a token for a superuser', token({ role => 'postgres', sub => 'bob' }), 403 ], [ 'a token for the reader', token({ role => 'everyone', sub => 'bob' }), 403 ],
	[ 'a token of the anonymous role', token({ role => 'web_anon', sub => 'bob' }), 401 ], [ 'a token without a subject', token({ role => 'app_user' }), 403 ],
	[ 'a subject that is a list', token({ role => 'app_user', sub => ['bob'] }), 403 ], [ 'a subject that is a number', token({ role => 'app_user', sub => 2 }), 403 ], [ 'a subject in another case', token({ role => 'app_user', sub => 'BOB' }), 403 ],
	[ 'a subject with a blank', token({ role => 'app_user', sub => 'bob ' }), 403 ], [ 'nobody', token({ role => 'app_user', sub => 'nobody' }), 403 ], [ 'no JSON', token(undef, text => 'sub=bob'), 401 ])
{
	my ($what, $token, $expected) = @$try;
	tells_nothing("$what at $_", get_from($token, "rpc/$_", $calls{$_}), $expected) for sort keys %calls;
}
is((get_from(token({ role => 'app_user' }), 'rpc/my_latest'))[1], (get_from(token({ role => 'app_user', sub => 'nobody' }), 'rpc/my_latest'))[1], 'no subject and an unknown one get the same answer');
# headers that name settings
tells_nothing('a header that wants to be a claim', get_from($alice, 'rpc/my_latest', {}, 'request.jwt.claims' => '{"sub": "bob"}', 'X-Hasura-User-Id' => 'bob', Role => 'postgres', Prefer => 'tx=rollback'), 200);

# 6. With SQL, her claims set by the proxy and left alone. The role has no right on anything but these functions.
sub as_alice { my ($script) = @_; return as_role($node, 'postgres', 'authenticator', qq{SET ROLE app_user; SET request.jwt.claims = '{"role": "app_user", "sub": "alice"}';\n$script}); }
my @relations = split /\n/, run_sql($node, 'postgres', q{SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname LIKE 'wearables%' AND c.relkind IN ('r', 'p', 'v', 'S') ORDER BY 1});
my @functions = split /\n/, run_sql($node, 'postgres', q{SELECT format('%s(%s)', p.oid::regproc, (SELECT string_agg('NULL', ', ') FROM unnest(p.proargtypes))) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE n.nspname LIKE 'wearables%' AND p.prokind = 'f' AND p.prorettype <> 'trigger'::regtype AND n.nspname <> 'wearables_api' AND 'internal'::regtype <> ALL (p.proargtypes) ORDER BY 1});
cmp_ok(@relations + @functions, '>', 150, 'there is enough to try');
for my $statement ((map { ("SELECT * FROM $_", "EXPLAIN SELECT * FROM $_", "COPY (SELECT * FROM $_) TO STDOUT") } @relations), (map { "SELECT $_" } @functions))
{
	my $run = as_alice($statement);
	is($run->{states}[0] // 'done', '42501', "$statement is refused") or diag $run->{out};
	unlike($run->{out} . $run->{err}, qr/177\.25|bobs/, 'and tells nothing');
}
# a condition that tells what it sees, and is cheap enough to be asked first
my $leak = q{CREATE FUNCTION pg_temp.leak(anything) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'seen: %', $1; RETURN true; END $$;
} =~ s/anything/anyelement/r;
for my $function (sort keys %calls)
{
	my $arguments = join ', ', map { "$_ => " . literal($calls{$function}{$_}) } sort keys %{ $calls{$function} };
	my $run = as_alice("$leak SELECT count(*) FROM wearables_api.$function($arguments) f WHERE pg_temp.leak(f::text)");
	like($run->{err}, qr/seen: /, "a condition on $function sees what she sees");
	unlike($run->{err} . $run->{out}, $of_bob, 'and nothing of bob');
	my $plan = as_alice("EXPLAIN (VERBOSE) SELECT * FROM wearables_api.$function($arguments)")->{out};
	like($plan, qr/^Function Scan on wearables_api\.$function/, "the plan of $function shows a call");
	unlike($plan, qr/sample_points|rows=(?!1000 |1 )/, 'and no table or count');
}
# twice, in one transaction, and by a function that runs on: the claims of the moment count, never those of a cached plan
is(as_alice(q{PREPARE p AS SELECT count(*) FROM wearables_api.my_samples('heartrate', '2026-03-29', '2026-03-30') WHERE value > 100; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p;
BEGIN; SET LOCAL request.jwt.claims = '{"sub": "nobody"}'; SAVEPOINT s; EXECUTE p; ROLLBACK TO s; COMMIT; EXECUTE p})->{out}, join("\n", (0) x 7), 'a prepared statement has no memory of another person');
tells_nothing('two subjects in one token', 'x', as_alice(q{SET request.jwt.claims = '{"sub": "alice", "sub": "bob"}'; SELECT * FROM wearables_api.my_latest()})->{out});
# objects in front of the server's own
my $trap = as_alice(q{CREATE TEMP TABLE users (user_id bigint, client_user_id text, time_zone text, created_at timestamptz, erased_at timestamptz); INSERT INTO users VALUES (2, 'alice', 'UTC', now(), NULL);
CREATE FUNCTION pg_temp.claimed_user() RETURNS bigint LANGUAGE sql AS 'SELECT 2::bigint'; SET search_path = pg_temp, wearables_api, pg_catalog; SELECT * FROM my_latest(); SELECT * FROM my_samples('heartrate', '2026-03-29', '2026-03-30')});
like($trap->{out}, qr/\b61\b/, 'with a table of her own in front she still reads herself');
unlike($trap->{out} . $trap->{err}, $of_bob, 'and nobody else');

# 7. A limited reader has SQL. First what a reader without a limit sees: all of this would tell.
sub read_by { my ($role, $script) = @_; return as_role($node, 'postgres', $role, $script); }
my %reads = (
	(map { $_ => "SELECT count(*) FROM wearables.$_ t WHERE pg_temp.leak(t::text)" } qw(samples sample_points summaries connections users)),
	'a join' => 'SELECT count(*) FROM wearables.users u JOIN wearables.sample_points p ON pg_temp.leak(u.client_user_id) AND pg_temp.leak(p.value) AND p.user_id = u.user_id',
	'an aggregate' => 'SELECT max(value) FROM wearables.sample_points WHERE value < 1000', 'an index' => 'SELECT value FROM wearables.sample_points WHERE user_id = 2 ORDER BY ts LIMIT 1',
	'a document' => q{SELECT count(*) FROM wearables.summaries WHERE pg_temp.leak(doc::text) AND resource = 'sleep'},
	'timeseries()' => q{SELECT * FROM wearables.timeseries(2, 'heartrate', date '2026-03-29', date '2026-03-30')}, 'latest()' => 'SELECT * FROM wearables.latest(2)', 'nights()' => q{SELECT * FROM wearables.nights(2, '2026-03-28', '2026-03-31')},
	'an error' => 'SELECT client_user_id::integer FROM wearables.users WHERE user_id = 2', 'division' => 'SELECT 1 / (value - 177.25)::integer FROM wearables.sample_points WHERE user_id = 2',
	(map { $_ => "SELECT * FROM wearables.$_(2, 'heartrate', '2026-03-29Z', '2026-03-30Z')" } qw(timeseries_lttb timeseries_percentiles timeseries_time_weighted samples_page)),
	'timeseries_histogram' => q{SELECT * FROM wearables.timeseries_histogram(2, 'heartrate', '2026-03-29Z', '2026-03-30Z', '{1,1000}')},
	'coverage()' => q{SELECT day, event_ids, 'bob' FROM wearables.coverage(2, 'heartrate', '2026-03-29', '2026-03-30')});
for my $what (sort keys %reads)
{
	my $seen = read_by('everyone', "$leak $reads{$what}");
	like($seen->{out} . $seen->{err}, $what eq 'division' ? qr/22012/ : $of_bob, "$what would tell") or diag $seen->{err};
	my $kept = read_by('nurse', "$leak $reads{$what}");
	unlike($kept->{out} . $kept->{err} =~ s/^LINE.*//mgr, qr/177\.25|bob|22012|22P02/, "$what tells a limited reader nothing") or diag $kept->{out} . $kept->{err};
}
for my $view (qw(visible_events visible_refusals visible_pulls visible_places visible_connections visible_spans visible_progress visible_assignments visible_frozen_rollups))
{
	is(read_by('nurse', "SELECT count(*) FROM wearables_internal.$view WHERE user_id <> 1")->{out}, 0, "$view shows a limited reader nobody else");
}
for my $way ('SET row_security = off; SELECT count(*) FROM wearables.samples WHERE user_id = 2', 'DROP POLICY wearables_assigned ON wearables.users', 'ALTER TABLE wearables.users DISABLE ROW LEVEL SECURITY',
	q{SELECT wearables.assign_users('care', '{2}')}, q{INSERT INTO wearables.assigned_users VALUES ('care', 2)}, 'DELETE FROM wearables.limited_roles', q{SELECT wearables.limit_reader('care', false)}, 'SELECT wearables_internal.apply_role_policies()',
	'SET ROLE app_user', q{SET request.jwt.claims = '{"sub": "bob"}'; SELECT wearables_internal.claimed_user()})
{
	is(read_by('nurse', $way)->{states}[0], '42501', "$way is refused");
}
is(restart_count($node), 0, 'the server has not crashed');

$node->stop;
done_testing();
