# History, pulled page by page from a Junction that misbehaves: all of it arrives, once, whatever happens on the way.
use strict;
use warnings FATAL => 'all';
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $junction = Junction->start(seed => 7, days => 20, until => '2025-06-01', people => 2, page_size => 40, clock => '2025-07-01T00:00:00Z');
my $node = make_node('pull', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 1', 'wearables_ingest.allow_loopback_http = on',
	'wearables_ingest.http_timeout = 5');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
my $url = $junction->plain_url;
run_sql($node, 'app', "SELECT wearables.add_endpoint('junction', base_url => '$url'), wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction');
	SELECT wearables.register_user('alice', 'alice-at-junction')");
my $alice = run_sql($node, 'app', q{SELECT user_id FROM wearables.users});

sub request { my ($resource, $from, $to) = @_; return run_sql($node, 'app', "SET client_min_messages = warning; SELECT wearables.request_backfill($alice, '', '$resource', '$from', '$to')"); }
sub state_of { my ($id) = @_; return run_sql($node, 'app', "SELECT state FROM wearables.backfills WHERE backfill_id = $id"); }
sub ends { my ($id, $state, $what) = @_; return wait_until($node, 'app', "SELECT state = '$state' FROM wearables.backfills WHERE backfill_id = $id", $what) || diag run_sql($node, 'app', "SELECT * FROM wearables.backfill_progress WHERE backfill_id = $id"); }
sub readings { return run_sql($node, 'app', "SELECT count(*) FROM wearables.samples WHERE metric = '$_[0]' AND channel = 'timeseries'"); }

# All of it, page by page, by a worker
my $id = request('heartrate', '2025-05-01', '2025-06-02');
ends($id, 'done', 'a month of heart rate is pulled');
queue_is_empty($node, 'app');
my $all = readings('heartrate');
cmp_ok($all, '>', 1500, "all readings are there: $all");
my $pages = run_sql($node, 'app', "SELECT pages FROM wearables.backfills WHERE backfill_id = $id");
cmp_ok($pages, '>', 30, "in $pages pages");
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE event_type = 'pulled.data.heartrate' AND status = 'processed'}), $pages, 'each is an event');
is(scalar(grep { $_->{path} =~ /heartrate/ } $junction->requests), $pages, 'of one request each');
is($junction->stats->{keys_in_urls} // 0, 0, 'no key stood in a URL');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE headers::text ~ 'sk_us' OR payload::text ~ 'sk_us'}), 0, 'nor is it stored');
like(run_sql($node, 'app', "SELECT bar || ' ' || percent || ' ' || samples FROM wearables.backfill_progress WHERE backfill_id = $id"), qr/^#{20} 100 $all$/, 'progress says so');
is(request('heartrate', '2025-05-01', '2025-06-02'), $id, 'asked for once more');
wait_until($node, 'app', "SELECT pages = 2 * $pages AND state = 'done' FROM wearables.backfills WHERE backfill_id = $id", 'it is pulled once more');
queue_is_empty($node, 'app');
is(readings('heartrate'), $all, 'and nothing is there twice');

# Without a list everything is asked for, profile too, which has no range; that range was empty, and refused
is(run_sql($node, 'app', "SET client_min_messages = warning; SELECT count(*) > 50 FROM wearables.sync($alice)"), 't', 'everything is asked for');
is(run_sql($node, 'app', "SET client_min_messages = warning; SELECT count(*) FROM wearables.sync($alice, '', '{profile}')"), 1, 'what has no range as well');
run_sql($node, 'app', q{SELECT wearables.cancel_backfill(backfill_id) FROM wearables.backfills WHERE state IN ('waiting', 'running'); DELETE FROM wearables.backfills WHERE intent LIKE 'sync %'});
queue_is_empty($node, 'app');

# What cannot be asked for is refused, with a reason
for my $range ([ '2025-05-02', '2025-05-01' ], [ '2025-05-01', '2025-05-01' ], [ '2025-05-01', 'infinity' ], [ '-infinity', '2025-05-01' ], [ '0001-01-01', '2025-05-01' ])
{
	my $run = as_role($node, 'app', 'postgres', "SELECT wearables.request_backfill($alice, '', 'steps', '$range->[0]', '$range->[1]')");
	is("@{ $run->{states} }", '22023', "from $range->[0] to $range->[1]: refused");  # 0001 was asked for, in 24,000 parts
}

# Other shapes: summaries without pages, dates alone, no range
for my $resource (qw(sleep sleep_cycle activity profile steps))
{
	ends(request($resource, '2025-05-01', '2025-06-02'), 'done', "$resource is pulled");
}
queue_is_empty($node, 'app');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE event_type LIKE 'pulled.%' AND status <> 'processed'}), 0, 'and all pages are read');
my $nights = run_sql($node, 'app', q{SELECT count(*) FROM wearables.summaries WHERE resource = 'sleep'});
cmp_ok($nights, '>', 10, 'nights are there');
# The repair of the manual finds pulled nights; by event_type LIKE 'daily.data.sleep.%' it found none
# the sync that was cancelled may have stored pages of its own before
my $stored = run_sql($node, 'app', q{SELECT count(*) FROM wearables.webhook_events WHERE resource = 'sleep'});
run_sql($node, 'app', q{UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate'});
is(run_sql($node, 'app', q{SELECT events, processed, changed > 10 FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events
	WHERE resource = 'sleep' AND revision < wearables.revision()) r}), "$stored|$stored|t", 'a repair by resource reaches what was pulled');
run_sql($node, 'app', q{UPDATE wearables.mappings SET value_fields = '{hr_lowest,hr_resting,hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
	SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE resource = 'sleep' AND revision < wearables.revision()});

# Misbehaviour that passes
my $n = 0;
for my $rule ([ 'every third is throttled', do => 'throttle', every => 3, retry_after => 1, form => 'seconds' ], [ 'throttled with a date', do => 'throttle', times => 2, retry_after => 1, form => 'date' ],
	[ 'now and then 503', do => 'status', status => 503, every => 4, times => 3 ], [ 'a connection is dropped', do => 'drop', times => 2 ], [ 'a body is cut', do => 'cut', times => 2 ],
	[ 'wrong JSON', do => 'json', form => 'cut', times => 2 ], [ 'a body that is no gzip', do => 'gzip', form => 'damaged', times => 1 ])
{
	my ($what, %rule) = @$rule;
	$junction->misbehave(%rule, match => 'heartrate');
	my $from = sprintf '2025-05-%02d', 10 + $n++;
	ends(request('heartrate', $from, '2025-05-20'), 'done', "$what: pulled all the same");
	run_sql($node, 'app', q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0});
}
queue_is_empty($node, 'app');
is(readings('heartrate'), $all, 'and it is what was there');

# Throttled without a word of how long: three in a row, and the endpoint's other pulls wait as well. It went on for each pull by itself before.
$junction->misbehave(do => 'throttle', form => 'none', match => 'hrv');
my @throttled = map { request('hrv', '2025-05-01', "2025-05-0$_") } 2 .. 5;
wait_until($node, 'app', q{SELECT failures >= 3 AND blocked_until > now() - interval '1 minute' FROM wearables_internal.pull_hosts}, 'a server that throttles is left alone');
$junction->misbehave;
run_sql($node, 'app', q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0; UPDATE wearables.jobs SET run_at = now() WHERE kind = 'pull'});
ends($_, 'done', 'and asked again') for @throttled;

# Requests that were under way together and failed together are one failure, not four: after one bad moment of the server, all waited for up to 8 seconds,
# and with 16 under way for up to 15 minutes. The host is left alone by all endpoints that lead there, and by no other. The problem began with the first failure.
run_sql($node, 'app', q{CREATE TABLE noted (failures integer); CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.noted VALUES (NEW.failures); RETURN NULL; END $$;
	CREATE TRIGGER noted AFTER INSERT OR UPDATE ON wearables_internal.pull_hosts FOR EACH ROW EXECUTE FUNCTION noted()});
$junction->control(latency => 1);
$junction->misbehave(do => 'status', status => 503, match => 'hrv', times => 4);
my @together = map { request('hrv', '2025-05-02', "2025-05-0$_") } 3 .. 6;
ends($_, 'done', 'after a bad moment they are pulled') for @together;
is(run_sql($node, 'app', 'SELECT max(failures) FROM noted'), 1, 'which counts once');
run_sql($node, 'app', 'DROP TRIGGER noted ON wearables_internal.pull_hosts');
$junction->control(latency => 0);
my $elsewhere = Junction->start(seed => 7, days => 20, until => '2025-06-01', people => 2, page_size => 40, clock => '2025-07-01T00:00:00Z');
run_sql($node, 'app', "SELECT wearables.add_endpoint('neighbour', base_url => '$url/'), wearables.set_secret('neighbour', 'api_key', 0, 'sk_us_junction');
	SELECT wearables.add_endpoint('elsewhere', base_url => '" . $elsewhere->plain_url . "'), wearables.set_secret('elsewhere', 'api_key', 0, 'sk_us_junction');
	SELECT wearables.register_user('alice', 'alice-at-junction', endpoint => e.name) FROM wearables.endpoints e WHERE e.name <> 'junction'");
sub request_at { my ($endpoint, $day) = @_; return run_sql($node, 'app', "SET client_min_messages = warning; SELECT wearables.request_backfill($alice, '', 'steps', '2025-05-01', '2025-05-$day', '$endpoint')"); }
$junction->misbehave(do => 'throttle', retry_after => 60, form => 'seconds', match => 'hrv');
my $throttled = run_sql($node, 'app', "SET client_min_messages = warning; SELECT wearables.request_backfill($alice, '', 'hrv', '2025-05-02', '2025-05-09', 'junction')");
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables_internal.pull_hosts WHERE blocked_until > now() + interval '30 seconds'}, 'a host asks to be left alone');
my $waits = request_at('neighbour', '03');
ends(request_at('elsewhere', '03'), 'done', 'another host is asked');
wait_until($node, 'app', "SELECT run_at > now() + interval '20 seconds' FROM wearables.jobs WHERE argument->>'backfill_id' = '$waits'", 'another endpoint of the host waits');
is(state_of($waits), 'waiting', 'and asks for nothing');
$junction->misbehave;
run_sql($node, 'app', q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 5, failing_since = '2025-07-01', changed_at = now(), reason = 'it was tired'});
is(run_sql($node, 'app', q{SELECT count(*) || ' ' || min(since)::date FROM wearables.problems WHERE problem = 'pull_failing'}), '1 2025-07-01', 'a problem tells since when it lasts');
# of three that are due one asks, and the others rest: all asked at once before
$junction->control(latency => 6);
my @due = map { request_at('junction', "0$_") } 4 .. 6;
wait_until($node, 'app', q{SELECT count(*) FILTER (WHERE state = 'running') = 1 AND count(*) FILTER (WHERE state = 'ready' AND run_at > now()) = 4 FROM wearables.jobs WHERE kind = 'pull'}, 'one request is under way, and the others rest');
$junction->control(latency => 0);
run_sql($node, 'app', q{UPDATE wearables.jobs SET run_at = now() WHERE kind = 'pull' AND state = 'ready'});
ends($_, 'done', 'it finds out that the host is well, and all go on') for $throttled, $waits, @due;
run_sql($node, 'app', q{DELETE FROM wearables.user_links WHERE endpoint <> 'junction'; DELETE FROM wearables.backfills WHERE endpoint <> 'junction'; DELETE FROM wearables.endpoints WHERE name <> 'junction'});
$elsewhere->stop;

# How far it has come shows before its only part has ended: it was 0 percent to the end, for a month is one part
$junction->control(latency => 0.05);
my $shown = request('heartrate', '2025-05-11', '2025-05-31');
wait_until($node, 'app', "SELECT state = 'running' AND percent BETWEEN 20 AND 90 AND bar ~ '^####' AND pages_per_second > 1 AND estimated_end BETWEEN now() AND now() + interval '1 hour' FROM wearables.backfill_progress WHERE backfill_id = $shown", 'percent, bar, rate and end are told on the way');
ends($shown, 'done', 'to the end');
$junction->control(latency => 0);
is(run_sql($node, 'app', "SELECT percent || ' ' || bar FROM wearables.backfill_progress WHERE backfill_id = $shown"), '100 ####################', 'which is at 100 percent');

# Misbehaviour that does not
my %said = (
	'a cursor for ever' => [ { do => 'cursor', form => 'repeat' }, qr/repeats a cursor/ ],
	'404' => [ { do => 'status', status => 404, detail => 'no such user' }, qr/status 404: no such user/ ],
	'422' => [ { do => 'status', status => 422, detail => 'start_date is wrong' }, qr/status 422/ ],
	'a redirect' => [ { do => 'redirect', status => 302 }, qr/status 302/ ]);
for my $what (sort keys %said)
{
	my ($rule, $expected) = @{ $said{$what} };
	$junction->misbehave(%$rule, match => 'steps');
	my $failed = request('steps', '2025-05-02', sprintf '2025-05-%02d', 3 + $n++);
	ends($failed, 'failed', "$what: given up");
	like(run_sql($node, 'app', "SELECT error FROM wearables.backfills WHERE backfill_id = $failed"), $expected, 'with its reason');
}
is($junction->stats->{trapped} // 0, 0, 'no redirect was followed');
$junction->misbehave;
like(run_sql($node, 'app', q{SELECT what FROM wearables.problems WHERE problem = 'pull_failed'}), qr/^4 backfill/, 'problems tells of them');
my $again = run_sql($node, 'app', q{SELECT max(backfill_id) FROM wearables.backfills WHERE state = 'failed'});
is(run_sql($node, 'app', "SELECT wearables.retry_backfill($again)"), 't', 'a failed pull is tried again');
ends($again, 'done', 'and succeeds');

# The vendor refuses the key: nothing is asked but now and then, and no attempt is used up
$junction->control(keys => { junction => ['another'] }, reset => JSON::PP::true());
my $refused = request('steps', '2025-05-01', '2025-05-11');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables.problems WHERE problem = 'pull_stopped' AND what ~ 'status 401'}, 'a key that is refused is a problem');
is(run_sql($node, 'app', "SELECT state FROM wearables.backfills WHERE backfill_id = $refused"), 'waiting', 'the pull waits');
is(run_sql($node, 'app', "SELECT refusals FROM wearables.backfills WHERE backfill_id = $refused"), 0, 'and nothing of its patience is used up');
# It was asked again within the minute, and problems told of the former key until then
run_sql($node, 'app', q{SELECT wearables.set_secret('junction', 'api_key', 0, 'another')});
is(run_sql($node, 'app', "SELECT count(*) FROM wearables.problems WHERE problem = 'pull_stopped'"), 0, 'another key ends the problem');
is(run_sql($node, 'app', "SELECT count(*) FROM wearables.jobs j, wearables.backfills b WHERE b.backfill_id = $refused AND j.kind = 'pull' AND j.state = 'ready' AND j.run_at > clock_timestamp() AND b.state = 'waiting'"), 0, 'and the pull is due at once');
ends($refused, 'done', 'with another key it goes on');
unlike(slurp_file($node->logfile), qr/sk_us_junction|another'/, 'no key is in the log');

# kill -9 in the middle
$junction->control(latency => 0.05);
my $long = request('heartrate', '2025-04-01', '2025-06-02');
wait_until($node, 'app', "SELECT pages > 5 FROM wearables.backfills WHERE backfill_id = $long", 'some pages are here');
$node->stop('immediate');
my $requests = scalar grep { $_->{path} =~ /heartrate/ } $junction->requests;
start_again($node);
ends($long, 'done', 'after a crash it goes on');
queue_is_empty($node, 'app');
is(run_sql($node, 'app', "SELECT pages - count(*) FROM wearables.backfills b, wearables.deliveries d WHERE b.backfill_id = $long AND d.message_id LIKE 'pull:$long:%' GROUP BY pages"), 0, 'each page is stored once');
my $total = scalar grep { $_->{path} =~ /heartrate/ } $junction->requests;
cmp_ok($total, '<=', run_sql($node, 'app', "SELECT pages + 1 FROM wearables.backfills WHERE backfill_id = $long"), 'and at most one request was made twice');
is(readings('heartrate'), $all, 'what is read is what was there');

# A server that hangs: the worker ends at once, and events are handled meanwhile
$junction->control(latency => 0);
$junction->misbehave(do => 'hang', match => '.', seconds => 60);
request('steps', '2025-05-01', sprintf '2025-05-%02d', $_) for 12 .. 17;
wait_until($node, 'app', q{SELECT count(*) = 4 FROM wearables.jobs WHERE kind = 'pull' AND state = 'running'}, 'of one person four requests are under way');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND state = 'active' AND query = 'wearables_ingest: waiting for 4 response(s) of vendors'}, 'pg_stat_activity says what it waits for');  # idle before
# while it looks for jobs it has one; so not at some moment, but whenever it waits
wait_until($node, 'app', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND query ~ 'waiting for 4' AND backend_xid IS NULL AND backend_xmin IS NULL}, 'no snapshot is held meanwhile');
my $event = message_id(1_750_000_000_000, 'meanwhile');
is(deliver($node, 'app', $event, samples_event('alice', 'heartrate', 'garmin', 'watch', [ 1_749_000_000, 61 ]) =~ s/ext-alice/alice-at-junction/r), 'accepted', 'an event comes');
wait_until($node, 'app', "SELECT status = 'processed' FROM wearables.webhook_events WHERE message_id = '$event'", 'and is handled');
my $begun = Time::HiRes::time();
$node->safe_psql('app', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'});
wait_until($node, 'app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND backend_start < now() - interval '1 second'}, 'a worker with requests that hang ends');
cmp_ok(Time::HiRes::time() - $begun, '<', 2, 'at once');
$junction->misbehave;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM wearables.backfills WHERE state IN ('waiting', 'running')}, 'and the next one pulls what it had begun');

# Without a worker: drain() pulls, and nobody else's session is needed
$node->append_conf('postgresql.conf', "wearables_ingest.databases = ''");
$node->reload;
wait_until($node, 'app', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker'}, 'without a worker');
run_sql($node, 'app', "SELECT count(*) FROM wearables.sync($alice, since => '2025-05-01', resources => '{heartrate,sleep,steps}'); CALL wearables.drain()");
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.backfills WHERE intent LIKE 'sync %' AND state = 'done'}), 3, 'drain() pulls a sync to its end');
# A call that ends in the middle leaves nothing behind, in its session or elsewhere
$junction->control(latency => 0.1);
is(run_sql($node, 'app', "SELECT count(*) FROM wearables.sync($alice, since => '2025-05-01', resources => '{heartrate,sleep,steps,activity}')"), 4, 'asked for, and');
my ($out, $err) = ('', '');
$node->psql('app', join('', map { "SET statement_timeout = '250ms'; CALL wearables.drain(); " } 1 .. 4) . 'SET statement_timeout = 0; SELECT count(*) FROM wearables.jobs WHERE state = \'running\';
	UPDATE wearables.jobs SET run_at = now() WHERE kind = \'pull\'; CALL wearables.drain()', on_error_stop => 0, stdout => \$out, stderr => \$err);
like($err, qr/canceling statement due to statement timeout/, 'drain() is cancelled, several times');
is($out, 0, 'nothing is left running');
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.backfills WHERE state NOT IN ('done', 'failed', 'cancelled')}), 0, 'and the same session pulls all of it in the end');
is(restart_count($node), 0, 'the server has not crashed');
$junction->control(latency => 0);

# Cancelled and asked for anew while its request is under way: the page that comes is of the former pull
$junction->control(latency => 1);
my $moved = request('heartrate', '2025-05-20', '2025-06-01');
my $puller = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('app'), '-c', 'CALL wearables.drain()' ], '<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
wait_until($node, 'app', "SELECT pages = 1 FROM wearables.backfills WHERE backfill_id = $moved", 'the first page is here');
wait_until($node, 'app', q{SELECT count(*) = 1 FROM wearables.jobs WHERE kind = 'pull' AND state = 'running'}, 'the second is under way');
run_sql($node, 'app', "SELECT wearables.cancel_backfill($moved)");
request('heartrate', '2025-05-20', '2025-06-01');
$junction->control(latency => 0);
$puller->finish;
run_sql($node, 'app', 'UPDATE wearables.jobs SET run_at = now(); CALL wearables.drain()');
is(state_of($moved), 'done', 'the pull that was begun again ends');
is(run_sql($node, 'app', qq{SELECT count(*) FROM wearables.webhook_events WHERE message_id LIKE 'pull:$moved:%' AND headers->>'url' !~ 'next_cursor'}), 2, 'and began with its first page');

# Whose endpoint is gone
my $orphan = request('steps', '2025-05-03', '2025-05-04');
run_sql($node, 'app', "UPDATE wearables.backfills SET endpoint = 'gone' WHERE backfill_id = $orphan; CALL wearables.drain()");
like(run_sql($node, 'app', "SELECT state || ' ' || error FROM wearables.backfills WHERE backfill_id = $orphan"), qr/^failed its endpoint was deleted/, 'a pull whose endpoint is gone says so');

my $cancelled = request('heartrate', '2025-05-01', '2025-05-05');
is(run_sql($node, 'app', "SELECT wearables.cancel_backfill($cancelled)"), 't', 'a pull is cancelled');
run_sql($node, 'app', 'CALL wearables.drain()');
is(state_of($cancelled) . run_sql($node, 'app', "SELECT pages FROM wearables.backfills WHERE backfill_id = $cancelled"), 'cancelled0', 'and nothing of it is fetched');

# A connection asks by itself, once
my $connected = message_id(1_748_800_000_000, 'connected');
my $body = to_json({ event_type => 'provider.connection.created', user_id => 'alice-at-junction', client_user_id => 'alice', data => { provider => { name => 'Oura', slug => 'oura' } } });
is(deliver($node, 'app', $connected, $body), 'accepted', 'somebody connects a provider');
run_sql($node, 'app', 'CALL wearables.drain()');
cmp_ok(run_sql($node, 'app', q{SELECT count(*) FROM wearables.backfills WHERE intent = 'connected' AND state = 'done' AND provider = 'oura'}), '>', 50, 'and all its history is pulled');
my $asked = run_sql($node, 'app', q{SELECT count(*) FROM wearables.backfills});
run_sql($node, 'app', "SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE message_id = '$connected'");
is(run_sql($node, 'app', q{SELECT count(*) FROM wearables.backfills}), $asked, 'a replay asks for nothing');
# One that says what it offers is asked for that alone; for all 58 resources before
$body = to_json({ event_type => 'provider.connection.created', user_id => 'alice-at-junction', client_user_id => 'alice', data => { provider => { name => 'Garmin', slug => 'garmin' },
	resource_availability => { heartrate => { status => 'available', scope_requirements => undef }, steps => { status => 'unavailable' }, sleep => { status => 'available' } } } });
deliver($node, 'app', message_id(1_748_800_001_000, 'offers'), $body);
run_sql($node, 'app', 'CALL wearables.drain()');
is(run_sql($node, 'app', q{SELECT string_agg(resource || ' ' || extract(epoch FROM range_to - range_from) / 86400, ', ' ORDER BY resource) FROM wearables.backfills WHERE intent = 'connected' AND provider = 'garmin'}),
	'heartrate 31.0000000000000000, sleep 180.0000000000000000', 'a connection that says what it offers is asked for that: a month of heart rate, half a year of nights');

$node->stop;
$junction->stop;
done_testing();
