# Calls to a vendor as jobs: each does once what was asked for, whatever the vendor answers and whoever is killed; what it changed is known
# here; and neither the API key nor a link is anywhere but where it belongs.
use strict;
use warnings FATAL => 'all';
use HTTP::Tiny ();
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $junction = Junction->start(seed => 7, days => 20, until => '2025-06-01', people => 1, page_size => 200);
my $node = make_node('calls', 'restart_after_crash = on', "wearables_ingest.databases = 'app'", 'wearables_ingest.workers = 2', 'wearables_ingest.naptime = 1',
	'wearables_ingest.allow_loopback_http = on', 'wearables_ingest.http_timeout = 5');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
my $url = $junction->plain_url;
run_sql($node, 'app', "SELECT wearables.add_endpoint('junction', base_url => '$url'), wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction');
	CREATE ROLE backend LOGIN; SELECT wearables.grant_access('backend', 'caller')");

# As the application's backend would
sub ask { my ($call) = @_; my $run = as_role($node, 'app', 'backend', "SELECT wearables.$call"); die "$call: $run->{err}" if @{ $run->{states} }; return $run->{out}; }
sub field { my ($id, $column) = @_; my $run = as_role($node, 'app', 'backend', "SELECT $column FROM wearables.outbound_calls WHERE job_id = $id"); die $run->{err} if @{ $run->{states} }; return $run->{out}; }
sub sql { return run_sql($node, 'app', $_[0]); }
sub ends
{
	my ($id, $state, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, 'app', "SELECT state = '$state' FROM wearables.outbound_calls WHERE job_id = $id", $what)
	  || diag sql("SELECT * FROM wearables.outbound_calls WHERE job_id = $id; SELECT * FROM wearables.jobs; SELECT * FROM wearables_internal.pull_hosts; SELECT * FROM wearables_internal.refused_keys");
}
# What the vendor was asked for, by method and path
sub asked { my ($pattern) = @_; return scalar grep { "$_->{method} $_->{path}" =~ $pattern } $junction->requests; }
# Nobody waits for a server to be asked again
sub hurry { sql('UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0; DELETE FROM wearables_internal.refused_keys; UPDATE wearables.jobs SET run_at = now() WHERE kind = \'call\''); return; }
my %user;
sub person
{
	my ($name) = @_;
	$user{$name} = sql("SELECT wearables.register_user('$name', '$name-at-junction')");
	return $user{$name};
}

# --- create_vendor_user

my $created = ask(q{create_vendor_user('ann')});
is(ask(q{create_vendor_user('ann')}), $created, 'asked for twice it is one call');
ends($created, 'done', 'a user is made at the vendor');
is(ask(q{create_vendor_user('ann')}), $created, 'also when it is done');
is(asked(qr{^POST /v2/user$}), 1, 'and one request');
my $ann = sql(q{SELECT user_id FROM wearables.users WHERE client_user_id = 'ann'});
is(field($created, 'user_id'), $ann, 'the person is registered here');
is(sql(q{SELECT external_user_id FROM wearables.user_links}), field($created, q{result->>'user_id'}), 'and both ids are linked');
is(field($created, q{concat_ws(' ', operation, state, client_user_id, endpoint, attempts, http_status, requested_by)}), 'create_vendor_user done ann junction 1 200 backend', 'the view tells of it');
is(sql('SELECT count(*) FROM wearables.jobs'), 0, 'its job is gone');
my $there = ask(q{create_vendor_user('alice', 'junction')});
ends($there, 'done', 'a user that the vendor has already');
is(field($there, 'http_status'), 400, 'is refused there');
is(sql(q{SELECT external_user_id FROM wearables.user_links NATURAL JOIN wearables.users WHERE client_user_id = 'alice'}), 'alice-at-junction', 'and linked here all the same');
$user{alice} = sql(q{SELECT user_id FROM wearables.users WHERE client_user_id = 'alice'});
sql(q{SELECT wearables.register_user('somebody', 'carol-at-junction')});
my $stolen = ask(q{create_vendor_user('carol')});
ends($stolen, 'failed', 'a vendor\'s user who is somebody else here');
like(field($stolen, 'error'), qr/^the vendor's user carol-at-junction is linked to another user$/, 'is left alone, and it says so');
sql(q{DELETE FROM wearables.user_links WHERE external_user_id = 'carol-at-junction'});
my $mended = ask(q{create_vendor_user('carol')});
cmp_ok($mended, '>', $stolen, 'what failed may be asked for again');
ends($mended, 'done', 'and is done then');
$user{carol} = field($mended, 'user_id');

# Without rights nothing is asked for, and nothing is seen
sql('CREATE ROLE stranger LOGIN; GRANT USAGE ON SCHEMA wearables TO stranger');
is("@{ as_role($node, 'app', 'stranger', qq{SELECT $_})->{states} }", '42501', "a stranger: $_")
  for q{wearables.create_vendor_user('ann')}, "wearables.link_url($ann)", "wearables.delete_vendor_user($ann)", '* FROM wearables.outbound_calls', '* FROM wearables_internal.call_links';

# A transaction that is rolled back asks for nothing
$junction->misbehave;
sql(q{BEGIN; SELECT wearables.create_vendor_user('nobody'); ROLLBACK});
is(sql(q{SELECT count(*) FROM wearables.outbound_calls WHERE client_user_id = 'nobody'}), 0, 'rolled back: no call');
my ($savepoint) = reverse split /\n/, sql(q{BEGIN; SAVEPOINT s; SELECT wearables.create_vendor_user('nobody'); ROLLBACK TO s; SELECT wearables.create_vendor_user('somebody new'); COMMIT});
ends($savepoint, 'done', 'what is asked for after a savepoint is done');
is(join(' ', map { $_->{body} } $junction->requests), '{"client_user_id":"somebody new"}', 'and nothing else');

# --- link_url

my $link = ask(qq{link_url($ann, 'oura', 'https://app.example/done?x=1')});
is(ask(qq{link_url($ann, 'oura', 'https://app.example/done?x=1')}), $link, 'a link asked for twice is one');
ends($link, 'done', 'a link is given');
my $link_url = field($link, 'link_url');
my $token = field($link, 'link_token');
like($link_url, qr{^http://127\.0\.0\.1:\d+/_link\?token=\Q$token\E$}, 'with its token');
is(field($link, 'result IS NULL AND link_expires_at BETWEEN now() + interval \'9 minutes\' AND now() + interval \'10 minutes\''), 't', 'for ten minutes, and nowhere else');
is(sql("SELECT redirect_url IS NULL FROM wearables_internal.calls WHERE job_id = $link"), 't', 'where it leads to afterwards is not kept');
isnt(ask(qq{link_url($ann, 'garmin')}), $link, 'for another provider it is another');
my $opened = HTTP::Tiny->new->get($link_url);
is($opened->{status}, 200, 'the person opens it');
like($opened->{content}, qr{"redirect_url": "https://app.example/done\?x=1"}, 'and comes back to the app');
sql(q{UPDATE wearables_internal.calls SET finished_at = finished_at - interval '1 minute' WHERE operation = 'link_url'});
my $later = ask(qq{link_url($ann, 'oura', 'https://app.example/done?x=1')});
cmp_ok($later, '>', $link, 'a minute later it is a new link');
ends($later, 'done', 'which is given');
sql("UPDATE wearables_internal.call_links SET expires_at = now() - interval '1 second' WHERE job_id = $link");
is(field($link, q{concat(link_url, link_token, link_expires_at)}), '', 'an old link is not shown');
sql('SELECT wearables_internal.delete_old_calls(100)');
is(sql("SELECT count(*) FROM wearables_internal.call_links WHERE job_id = $link"), 0, 'and deleted');

# --- disconnect_provider: what the vendor has done is known here

sql("SELECT wearables.set_connection($ann, 'oura', 'connected', 'user')");
my $gone = ask(qq{disconnect_provider($ann, 'oura')});
is(ask(qq{disconnect_provider($ann, 'oura')}), $gone, 'a provider is disconnected once');
ends($gone, 'done', 'by the vendor');
is(sql("SELECT status FROM wearables.connections WHERE user_id = $ann AND provider = 'oura'"), 'deregistered', 'which is known here');
is(sql("SELECT kind || ' ' || actor FROM wearables.connection_events WHERE user_id = $ann ORDER BY version DESC LIMIT 1"), 'deregistered application', 'as what the application did');
is(ask(qq{disconnect_provider($ann, 'oura')}), $gone, 'and asked for again it is done');
Time::HiRes::sleep(1.1);
sql("SELECT wearables.set_connection($ann, 'oura', 'connected', 'user')");
my $once_more = ask(qq{disconnect_provider($ann, 'oura')});
cmp_ok($once_more, '>', $gone, 'connected since, it is another call');
ends($once_more, 'done', 'which the vendor answers');
is(field($once_more, 'http_status'), 404, 'with: there is no such connection');
is(sql("SELECT status FROM wearables.connections WHERE user_id = $ann AND provider = 'oura'"), 'deregistered', 'and so it is here');

# --- refresh_user: eight an hour, and the ninth is not sent

$junction->misbehave;
HTTP::Tiny->new->get($junction->plain_url);
for my $n (1 .. 8)
{
	my $refresh = ask("refresh_user($user{alice})");
	is(ask("refresh_user($user{alice})"), $refresh, "refresh $n, asked for twice, is one");
	ends($refresh, 'done', 'and done');
	like(field($refresh, 'result'), qr/"refreshed_sources": \["/, 'with what was refreshed') if $n == 1;
	sql("UPDATE wearables_internal.calls SET finished_at = finished_at - interval '61 seconds' WHERE job_id = $refresh");
}
my $ninth = as_role($node, 'app', 'backend', "SELECT wearables.refresh_user($user{alice})");
is("@{ $ninth->{states} }", '53400', 'the ninth is refused');
my ($when) = $ninth->{err} =~ /cannot be refreshed before (\S+ \S+)/;
is(sql("SELECT timestamptz '$when' BETWEEN now() + interval '55 minutes' AND now() + interval '1 hour'"), 't', "with when it may be asked again: $when");
is(asked(qr/refresh/), 8, 'and nothing was sent');
# where somebody else has used it up, the vendor says so
sql("UPDATE wearables_internal.calls SET finished_at = finished_at - interval '2 hours' WHERE operation = 'refresh_user'");
my $too_many = ask("refresh_user($user{alice})");
ends($too_many, 'failed', 'a refresh that the vendor refuses is over');
like(field($too_many, q{error || ' ' || (again_at BETWEEN now() + interval '50 minutes' AND now() + interval '61 minutes')}), qr/^the vendor responded with status 429: Too many refreshes true$/, 'and says when it may be asked again');
is("@{ as_role($node, 'app', 'backend', qq{SELECT wearables.refresh_user($user{alice})})->{states} }", '53400', 'until then it is refused here');
is(sql(q{SELECT count(*) FROM wearables_internal.pull_hosts WHERE blocked_until > now()}), 0, 'and nobody else has to wait for it');
my $nothing = ask("refresh_user($user{carol})");
sql(q{SELECT wearables.create_vendor_user('empty')});
wait_until($node, 'app', q{SELECT state = 'done' FROM wearables.outbound_calls WHERE client_user_id = 'empty'}, 'somebody without a provider');
my $empty = ask("refresh_user(@{[ sql(q{SELECT user_id FROM wearables.users WHERE client_user_id = 'empty'}) ]})");
ends($empty, 'failed', 'is not refreshed');
like(field($empty, q{error || ' ' || result::text}), qr/^the vendor responded with status 400: No connected sources .*"failed_sources": \[\]/, 'in the vendor\'s words');

# --- trigger_historical_pull

my $triggered = ask("trigger_historical_pull('{$user{alice},$user{carol},$user{alice}}', 'oura')");
is(ask("trigger_historical_pull('{$user{carol},$user{alice}}', 'oura')"), $triggered, 'for the same people it is one call');
ends($triggered, 'done', 'pulls of history are triggered');
is(field($triggered, q{users || ' ' || http_status}), '2 202', 'for both');
is((map { $_->{body} } grep { $_->{path} =~ /bulk_trigger/ } $junction->requests)[0], '{"user_ids":["alice-at-junction","carol-at-junction"],"provider":"oura"}', 'by the vendor\'s ids');

# --- delete_vendor_user

sql("SELECT wearables.set_connection($ann, 'garmin', 'connected', 'user'), wearables.set_connection($ann, 'fitbit', 'error', 'operator')");
my $deleted = ask("delete_vendor_user($ann)");
is(ask("delete_vendor_user($ann)"), $deleted, 'a user is deleted once');
ends($deleted, 'done', 'at the vendor');
is(sql("SELECT string_agg(provider || ' ' || status, ', ' ORDER BY provider) FROM wearables.connections WHERE user_id = $ann"), 'fitbit deregistered, garmin deregistered, oura deregistered', 'and no connection stands here');
is(sql("SELECT deleted_at > now() - interval '1 minute' FROM wearables.user_links WHERE user_id = $ann"), 't', 'the link is marked');
is("@{ as_role($node, 'app', 'backend', qq{SELECT wearables.link_url($ann)})->{states} }", '22023', 'nothing is asked for by it');
my $anew = ask(q{create_vendor_user('ann')});
cmp_ok($anew, '>', $created, 'who was deleted may be made anew');
ends($anew, 'done', 'as another user');
is(sql("SELECT count(*) || ' ' || count(deleted_at) FROM wearables.user_links WHERE user_id = $ann"), '2 1', 'linked beside the former');
my $relinked = ask("link_url($ann, 'oura')");
ends($relinked, 'done', 'by which a link is given');

# --- What a vendor may do wrong: each is done in the end, and once

my $n = 0;
for my $rule ([ 'throttled', { do => 'throttle', times => 2, retry_after => 1, form => 'seconds' } ], [ '503', { do => 'status', status => 503, times => 2 } ], [ '409 without a word', { do => 'status', status => 409, times => 1 } ],
	[ 'dropped before the answer', { do => 'drop', times => 2 } ], [ 'cut in the middle of it', { do => 'cut', times => 2 } ], [ 'wrong JSON', { do => 'json', form => 'garbage', times => 2 } ], [ 'no JSON', { do => 'json', form => 'html', times => 1 } ],
	[ 'half a body', { do => 'json', form => 'cut', times => 1 } ], [ 'a list', { do => 'types', form => 'list', times => 1 } ], [ 'null', { do => 'types', form => 'null', times => 1 } ])
{
	my ($what, $misdeed) = @$rule;
	$junction->misbehave(%$misdeed);
	my $name = 'person ' . ++$n;
	my $made = ask("create_vendor_user('$name')");
	wait_until($node, 'app', "SELECT attempts > 0 AND error IS NOT NULL OR state = 'done' FROM wearables.outbound_calls WHERE job_id = $made", "$what: it is tried");
	for (1 .. 100) { last if field($made, 'state') eq 'done'; hurry(); Time::HiRes::usleep(100_000); }
	is(field($made, 'state'), 'done', "$what: done in the end");
	is(sql("SELECT count(*) FROM wearables.user_links NATURAL JOIN wearables.users WHERE client_user_id = '$name'"), 1, 'and linked once');
	cmp_ok(field($made, 'attempts'), '>', 1, 'after ' . field($made, 'attempts') . ' requests');
}
for my $call ([ "disconnect_provider($user{alice}, 'garmin')", { do => 'cut' }, 'deregistered' ], [ "disconnect_provider($user{alice}, 'fitbit')", { do => 'json', form => 'html' }, 'deregistered' ])
{
	my ($what, $misdeed, $status) = @$call;
	my ($provider) = $what =~ /'(\w+)'/;
	sql("SELECT wearables.set_connection($user{alice}, '$provider', 'connected', 'user')");
	$junction->misbehave(%$misdeed, times => 1);
	my $id = ask($what);
	for (1 .. 100) { last if field($id, 'state') eq 'done'; hurry(); Time::HiRes::usleep(100_000); }
	is(field($id, 'state'), 'done', "$what: an answer that was lost is asked for again");
	is(sql("SELECT status FROM wearables.connections WHERE user_id = $user{alice} AND provider = '$provider'"), $status, 'and the connection is gone');
}
my %over = ('422' => [ { do => 'status', status => 422, detail => 'redirect_url is not allowed' }, qr/^the vendor responded with status 422: redirect_url is not allowed$/ ],
	'a redirect' => [ { do => 'redirect', status => 307 }, qr/^the vendor responded with status 307/ ], '404' => [ { do => 'status', status => 404, detail => "no\x{0}user" }, qr/^the vendor responded with status 404: no\?user$/ ],
	'endless' => [ { do => 'endless' }, qr/larger than wearables_ingest.http_body_limit/ ]);
sql(q{ALTER SYSTEM SET wearables_ingest.http_body_limit = '1MB'; SELECT pg_reload_conf()});
for my $what (sort keys %over)
{
	my ($misdeed, $expected) = @{ $over{$what} };
	$junction->misbehave(%$misdeed);
	my $failed = ask("link_url($user{carol}, 'p@{[ ++$n ]}')");
	ends($failed, 'failed', "$what: it is over");
	like(field($failed, 'error'), $expected, 'with the reason');
	hurry();
}
is($junction->stats->{trapped}, 0, 'no redirect was followed');
$junction->misbehave;
like(sql(q{SELECT what FROM wearables.problems WHERE problem = 'call_failed'}), qr/^\d+ call\(s\) to vendors failed in the last day$/, 'problems tells of them');

# The vendor refuses the key: the endpoint is stopped, and nothing is lost
$junction->control(keys => { junction => ['another'] }, reset => JSON::PP::true());
my @stopped = (ask(q{create_vendor_user('patient')}), ask(q{create_vendor_user('patient too')}));
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables.problems WHERE problem = 'call_stopped' AND what ~ 'status 401'}, 'a key that is refused is a problem');
Time::HiRes::sleep(2);
cmp_ok(scalar($junction->requests), '<=', 2, 'and it is not tried again and again');
is(field($_, 'state'), 'waiting', 'the call waits') for @stopped;
sql(q{SELECT wearables.set_secret('junction', 'api_key', 0, 'another')});
hurry();
ends($_, 'done', 'with another key it is made') for @stopped;
is(sql(q{SELECT count(*) FROM wearables.problems WHERE problem = 'call_stopped'}), 0, 'and the problem is over');

# Too late: nobody waits for a link for ever
$junction->misbehave(do => 'status', status => 503);
my $late = ask("link_url($user{carol}, 'late')");
wait_until($node, 'app', "SELECT error ~ 'status 503' FROM wearables.outbound_calls WHERE job_id = $late", 'a link that is not given');
sql("UPDATE wearables_internal.calls SET expires_at = now() WHERE job_id = $late");
hurry();
ends($late, 'failed', 'is given up in time');
like(field($late, 'error'), qr/^given up, because it could not be made in time: the vendor responded with status 503/, 'and says why');
$junction->misbehave(do => 'throttle', retry_after => 7200);
my $told = ask("link_url($user{carol}, 'told')");
hurry();
ends($told, 'failed', 'at once where the vendor wants to be left alone for longer than that');
is(field($told, q{again_at > now() + interval '1 hour'}), 't', 'with when it may be asked again');
$junction->misbehave;
hurry();

# Two workers, and one that is killed while its request is answered: at the vendor it is done, here nothing is known of it
for my $case ([ q{create_vendor_user('survivor')}, 'POST', '/v2/user$' ], [ "disconnect_provider($user{alice}, 'withings')", 'DELETE', 'withings' ], [ "delete_vendor_user($user{carol})", 'DELETE', 'carol' ],
	[ "link_url($user{alice}, 'polar')", 'POST', 'link/token' ], [ "trigger_historical_pull('{$user{alice}}', 'polar')", 'POST', 'bulk' ])
{
	my ($what, $method, $path) = @$case;
	$junction->misbehave(do => 'trickle', method => $method, match => $path, bytes => 1, seconds => 1, times => 1);
	my $id = ask($what);
	wait_until($node, 'app', "SELECT state = 'running' FROM wearables.outbound_calls WHERE job_id = $id", "$what: under way");
	for (1 .. 100) { last if asked(qr/^$method .*$path/); Time::HiRes::usleep(50_000); }
	is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE query ~ 'sk_us_junction|_link.token=' AND pid <> pg_backend_pid()}), 0, 'nothing of it shows in pg_stat_activity');
	my $pid = sql(q{SELECT leased_by FROM wearables.jobs WHERE kind = 'call' AND state = 'running'});
	kill KILL => $pid;
	ends($id, 'done', 'its worker is killed, and it is done');
	is(asked(qr/^$method .*$path/), 2, 'by a second request');
}
is(sql(q{SELECT count(*) FROM wearables.user_links NATURAL JOIN wearables.users WHERE client_user_id = 'survivor'}), 1, 'whoever was made is linked once');
is(sql(q{SELECT status FROM wearables.connections WHERE provider = 'withings'}), 'deregistered', 'what was disconnected is');
is(sql("SELECT deleted_at IS NOT NULL FROM wearables.user_links WHERE user_id = $user{carol}"), 't', 'who was deleted is');

# An answer that is here and cannot be stored, as somebody holds the call's row: the request is made again
$junction->misbehave(do => 'delay', method => 'POST', match => '/v2/user$', seconds => 1, times => 1);
my $held = ask(q{create_vendor_user('held')});
wait_until($node, 'app', "SELECT state = 'running' FROM wearables.outbound_calls WHERE job_id = $held", 'a request is under way');
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', "BEGIN; SELECT FROM wearables_internal.calls WHERE job_id = $held FOR UPDATE; SELECT pg_sleep(2.5); COMMIT" ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
ends($held, 'done', 'an answer that could not be stored is asked for again');
$holder->finish;
is(field($held, q{(attempts > 1) || ' ' || http_status}), 'true 400', 'the vendor says that it has done it already');
is(sql(q{SELECT count(*) FROM wearables.user_links NATURAL JOIN wearables.users WHERE client_user_id = 'held'}), 1, 'and whoever was made is linked, once');

# Many at once by two workers: each once
$junction->misbehave;
my @many = map { ask("create_vendor_user('many $_')") } 1 .. 40;
queue_is_empty($node, 'app', 'forty calls are made');
is(sql(q{SELECT count(*) FROM wearables.outbound_calls WHERE client_user_id LIKE 'many %' AND state = 'done' AND attempts = 1}), 40, 'each by one request');
is(asked(qr{^POST /v2/user$}), 40, 'as the vendor has it');

# The same intent by several sessions at once
my @sessions = map { my $out = ''; my $run = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', q{SELECT wearables.create_vendor_user('wanted by all'), pg_sleep(0.2)} ], '<', '/dev/null', '>', \$out, '2>&1'); [ $run, \$out ] } 1 .. 8;
$_->[0]->finish for @sessions;
my %ids = map { ${ $_->[1] } =~ /^(\d+)/ ? ($1 => 1) : (${ $_->[1] } => 1) } @sessions;
is(scalar keys %ids, 1, 'eight sessions that want the same get one call') or diag join "\n", keys %ids;

# NOTIFY carries the id and nothing else
$junction->misbehave(do => 'delay', seconds => 0.5);
my $listener = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app') ], '<', \qq{LISTEN wearables_calls; SELECT wearables.link_url($user{alice}, 'listened'); SELECT pg_sleep(3); SELECT 1;\n}, '>', \my $heard, '2>&1');
$listener->finish;
my ($listened) = $heard =~ /^(\d+)/;
like($heard, qr/^Asynchronous notification "wearables_calls" with payload "$listened" received from server process with PID \d+\.$/m, 'who listens is told of the end of a call, by its id');
$junction->misbehave;

# Without a worker: drain() makes calls
$node->append_conf('postgresql.conf', "wearables_ingest.databases = ''");
$node->reload;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}, 'without a worker');
my $drained = ask(q{create_vendor_user('drained')});
is(field($drained, 'state'), 'waiting', 'a call waits');
sql('CALL wearables.drain()');
is(field($drained, 'state'), 'done', 'for drain()');

# A job that somebody has deleted blocks nothing
my $lost = ask(q{create_vendor_user('lost')});
sql("DELETE FROM wearables.jobs WHERE job_id = $lost");
my $found = ask(q{create_vendor_user('lost')});
cmp_ok($found, '>', $lost, 'a call whose job is gone is asked for anew');
is(field($lost, 'state') . ' ' . field($lost, 'error'), 'failed its job was deleted', 'and the former has failed');
# One that raises again and again ends as a failed call, and leaves no dead letter
sql("UPDATE wearables_internal.calls SET external_user_ids = '{..}' WHERE job_id = @{[ ask(qq{disconnect_provider($user{alice}, 'wrong')}) ]}; CALL wearables.drain()");
like(sql(q{SELECT error FROM wearables.outbound_calls WHERE provider = 'wrong' AND state = 'failed'}), qr/no segment of a path/, 'what can never be sent has failed');
is(sql('SELECT count(*) FROM wearables.jobs'), 0, 'and no job is left');

# Kept for a bounded time
is(sql(q{UPDATE wearables_internal.calls SET finished_at = now() - interval '31 days' WHERE state IN ('done', 'failed'); SELECT wearables_internal.delete_old_calls(1000000); SELECT count(*) FROM wearables.outbound_calls}), "\n0", 'a month after its end a call is forgotten');

# The chapter of the manual (src/manual/calls.md), statement by statement, in a database of its own; after each block of statements comes a
# drain, in place of the moment that the chapter speaks of
sql("SELECT wearables.delete_vendor_user($ann); CALL wearables.drain()");  # whom it signs up
$node->safe_psql('postgres', 'CREATE DATABASE manual');
run_sql($node, 'manual', 'CREATE EXTENSION wearables_ingest');
my ($script, @expected) = ('');
my $chapter = slurp_file('src/manual/calls.md');
while ($chapter =~ /^```(\w+)\n(.*?)^```$/msg)
{
	my ($kind, $text) = ($1, $2);
	$text =~ s{https://api\.sandbox\.eu\.junction\.com}{$url};
	$text =~ s{env:WEARABLES_JUNCTION_KEY}{another};
	$text =~ s{^CREATE ROLE backend LOGIN;\n}{}m;
	if ($kind eq 'sql') { $script .= "${text}CALL wearables.drain();\n"; }
	else { push @expected, $text; $script .= '\echo mark ' . @expected . "\n"; }
}
my ($printed, $said) = ('', '');
IPC::Run::run([ 'psql', '-Xq', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('manual') ], '<', \$script, '>', \$printed, '2>', \$said);
is($said, '', 'the chapter of the manual runs');
my @parts = split /^mark \d+\n/m, $printed =~ s/[ ]+$//gmr;
cmp_ok(scalar @expected, '>=', 2, 'it shows what comes of it');
like($parts[$_], qr/\Q$expected[$_]\E/, 'as it is printed') for 0 .. $#expected;
is(run_sql($node, 'manual', q{SELECT string_agg(operation || ' ' || state, ', ' ORDER BY job_id) FROM wearables.outbound_calls}),
	'create_vendor_user done, link_url done, refresh_user failed, trigger_historical_pull done, disconnect_provider done, delete_vendor_user done', 'and its calls are made');

# Secrets
is($junction->stats->{keys_in_urls}, 0, 'no key stood in a URL');
is(sql(q{SELECT count(*) FROM wearables_internal.calls c WHERE c::text ~ 'sk_us|link-'}), 0, 'neither a key nor a link is in the table');
my $dump = $node->installed_command('pg_dump');
my ($dumped, $err) = run_command([ $dump, '-d', $node->connstr('app') ]);
unlike($dumped, qr/\Q$token\E|_link\?token=|sk_us_junction/, 'nor in a dump');
unlike(slurp_file($node->logfile), qr/sk_us_junction|another'|_link\?token=|link-[0-9a-f]{8}/, 'nor in the log');
is(restart_count($node), 5, 'the server came up again as often as a worker was killed');

$node->stop;
$junction->stop;
done_testing();
