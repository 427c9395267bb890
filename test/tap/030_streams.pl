# Streams of workouts and nights, pulled by two workers from a Junction: one request a document and state, whatever happens on the way.
use strict;
use warnings FATAL => 'all';
use HTTP::Tiny ();
use Junction;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $junction = Junction->start(seed => 7, days => 8, until => '2025-06-01', people => 1, page_size => 200, only => [ 'sleep', 'workouts', 'heartrate', 'hrv' ], clock => '2025-07-01T00:00:00Z');
my $node = make_node('streams', "wearables_ingest.databases = 'app'", 'wearables_ingest.workers = 2', 'wearables_ingest.naptime = 1', 'wearables_ingest.allow_loopback_http = on',
	'wearables_ingest.http_timeout = 5');
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');
my $url = $junction->plain_url;
sub sql { return run_sql($node, 'app', $_[0]); }
sql("SELECT wearables.add_endpoint('junction', base_url => '$url'), wearables.set_secret('junction', 'api_key', 0, 'sk_us_junction');
	SELECT wearables.register_user('alice', 'alice-at-junction')");
my $alice = sql('SELECT user_id FROM wearables.users');

sub asked_for { my ($match) = @_; return scalar grep { $_->{path} =~ /$match/ } $junction->requests; }
sub ended { my ($what) = @_; return wait_until($node, 'app', q{SELECT count(*) = 0 FROM wearables.stream_pulls WHERE state = 'waiting'}, $what) || diag sql('SELECT * FROM wearables.stream_pulls'); }
sub states { return sql(q{SELECT string_agg(DISTINCT state, ' ') FROM wearables.stream_pulls}); }
sub pull { my ($resource) = @_; my $id = sql("SET client_min_messages = warning; SELECT wearables.request_backfill($alice, '', '$resource', '2025-05-20', '2025-06-02')");
	wait_until($node, 'app', "SELECT state = 'done' FROM wearables.backfills WHERE backfill_id = $id", "$resource is pulled"); queue_is_empty($node, 'app'); return; }
sub held { return sql(q{SELECT string_agg(concat_ws(' ', channel, metric, count), ', ' ORDER BY channel, metric) FROM (SELECT channel, metric, count(*) FROM wearables.samples WHERE channel LIKE '%\_stream' GROUP BY 1, 2) x}); }
# Everything of a person but its versions
sub digest { return sql(q{SELECT md5(string_agg(concat_ws(' ', user_id, metric, ts, ts_end, provider, source_type, channel, value, tz_offset), ',' ORDER BY metric, ts, channel, provider, source_type, value)) FROM wearables.samples}); }
sub nights { return sql("SELECT string_agg(to_jsonb(n)::text, ',' ORDER BY day) FROM wearables.nights($alice, '2025-05-20', '2025-06-02') n"); }

# Off: not one is asked for
pull('workouts');
pull('sleep');
my ($workouts, $nights) = map { sql("SELECT count(*) FROM wearables.summaries WHERE resource = '$_'") } qw(workouts sleep);
cmp_ok($workouts, '>=', 4, "there are workouts: $workouts");
is(asked_for('/stream'), 0, 'streams are not pulled by default');
my $as_before = nights();

# On: those that come from now on, and by a call those that were there
sql(q{UPDATE wearables.resources SET pull_stream = true WHERE stream_of IS NOT NULL});
is(sql("SELECT wearables.request_streams($alice, 'workout_stream', '2025-05-20', '2025-06-02')"), $workouts, 'the workouts that were there are asked for');
ended('their streams are pulled');
queue_is_empty($node, 'app');
is(states(), 'done', 'all of them');
is(asked_for('workouts/[^/?]+/stream$'), $workouts, 'by one request each, without parameters');
my ($id, $document) = split /\|/, sql(q{SELECT e.event_id, p.document_id FROM wearables.stream_pulls p JOIN wearables.webhook_events e ON e.message_id = 'stream:' || p.stream_id || ':1' ORDER BY 2 LIMIT 1});
my $raw = HTTP::Tiny->new->get("$url/v2/timeseries/workouts/$document/stream", { headers => { 'X-Vital-API-Key' => $junction->key } })->{content};
is(sql("SELECT encode(payload, 'hex') FROM wearables.webhook_events WHERE event_id = $id"), unpack('H*', $raw), 'each body is stored byte for byte');
is(sql("SELECT concat_ws(' ', event_type, resource, status, external_user_id, headers->'document'->>'provider') FROM wearables.webhook_events WHERE event_id = $id"),
	'pulled.data.workout_stream workout_stream processed alice-at-junction oura', 'with whose it is, which it does not hold');
like(held(), qr/^workout_stream ambient_temperature \d+, workout_stream cadence \d+, workout_stream cumulative_distance \d+, workout_stream heartrate \d+, workout_stream power \d+, workout_stream speed \d+$/, 'what it holds lies in its channel');
is(sql(q{SELECT count(*) FROM wearables.samples WHERE metric IN ('latitude', 'longitude')}), 0, 'without where the user was');
is(sql(q{SELECT string_agg(DISTINCT q.reason, ' ') || count(DISTINCT q.event_id) FROM wearables.quarantine q JOIN wearables.webhook_events e USING (event_id) WHERE e.resource = 'workout_stream'}), "timestamp_out_of_range$workouts", 'a time of nine digits is refused in each');
is(sql("SELECT wearables.request_streams($alice, 'sleep_stream', '2025-05-20', '2025-06-03')"), $nights, 'so are the nights');
ended('and theirs');
queue_is_empty($node, 'app');
is(asked_for('sleep/[^/?]+/stream$'), $nights, 'by one request each');
is(nights(), $as_before, 'what is told of the nights is as before');
my $all = digest();
my $requests = asked_for('/stream');

# All of it once more: not one is asked for again
pull('workouts');
pull('sleep');
is(asked_for('/stream'), $requests, 'delivered once more, a document asks for nothing');
is(digest(), $all, 'and all is as it was');

# Announced, and changed
my $announced = sub { my ($ms, $of) = @_; return deliver($node, 'app', message_id($ms, "announced $ms"), to_json({ event_type => 'daily.data.workout_stream.created', user_id => 'alice-at-junction', client_user_id => 'alice',
	data => { workout_id => $of, user_id => 'alice-at-junction', message => 'fetch it', source => { provider => 'oura', type => 'ring' } } })); };
sql(q{SELECT wearables.set_secret('junction', 'webhook', 0, '} . secret() . q{')});
is($announced->(1_751_500_000_000, $document), 'accepted', 'a stream is announced that is newer');
is($announced->(1_751_500_000_000, $document), 'duplicate', 'twice');
is($announced->(1_745_000_000_000, $document), 'accepted', 'and one that is older than what was pulled');
is($announced->(1_751_500_000_000, 'nobodys'), 'duplicate', 'in a message that was there');
is($announced->(1_751_500_001_000, 'nobodys'), 'accepted', 'and one of a workout that the vendor does not know');
queue_is_empty($node, 'app');
ended('they are asked for');
is(asked_for("$document/stream"), 3, 'once more, for the newer');  # once above by this test
is(sql(q{SELECT state || ' ' || error FROM wearables.stream_pulls WHERE document_id = 'nobodys'}), 'absent the vendor responded with status 404: Not Found', 'what the vendor has no stream of ends, and says so');
is(sql(q{SELECT count(*) FROM wearables.problems WHERE problem IN ('stream_failed', 'pull_failing', 'dead_letters')}), 0, 'and is no problem');
my $changed = sql("SELECT doc - 'calories' || jsonb_build_object('calories', 777, 'updated_at', '2025-06-20T00:00:00+00:00') FROM wearables.summaries WHERE resource = 'workouts' AND summary_id = '$document'");
deliver($node, 'app', message_id(1_750_400_000_000, "changed $_"), qq({"event_type":"daily.data.workouts.updated","user_id":"alice-at-junction","client_user_id":"alice","data":$changed})) for 1 .. 3;
queue_is_empty($node, 'app');
ended('a changed workout asks again');
is(asked_for("$document/stream"), 4, 'once, though it was delivered three times');

# Failures that pass, and such that do not
my $again = sub { my $count = sql("SELECT wearables.request_streams($alice, 'workout_stream', '2025-05-20', '2025-06-02')"); sql(q{UPDATE wearables_internal.pull_hosts SET blocked_until = NULL, failures = 0}); return $count; };
for my $rule ([ 'throttled', do => 'throttle', every => 2, retry_after => 1, times => 2 ], [ 'cut', do => 'cut', times => 1 ], [ 'not JSON', do => 'json', form => 'html', times => 1 ], [ 'a list', do => 'types', form => 'list', times => 1 ])
{
	my ($what, %rule) = @$rule;
	$junction->misbehave(%rule, match => 'stream');
	$again->();
	ended("$what: pulled all the same");
	like(states(), qr/^absent done$|^done$/, "$what: to the end");
}
for my $rule ([ 422, 'absent' ], [ 404, 'absent' ], [ 400, 'failed' ])
{
	$junction->misbehave(do => 'status', status => $rule->[0], detail => 'no stream of it', match => "$document/stream");
	$again->();
	ended("$rule->[0]: ends");
	is(sql("SELECT state || ' ' || error FROM wearables.stream_pulls WHERE document_id = '$document'"), "$rule->[1] the vendor responded with status $rule->[0]: no stream of it", "$rule->[0]: $rule->[1]");
	is(asked_for("$document/stream"), 1, 'after one request');
}
like(sql(q{SELECT what FROM wearables.problems WHERE problem = 'stream_failed'}), qr/^1 stream/, 'what has failed is a problem');
# Forbidden, while the key is taken for others: that stream ends with the vendor's words, and stops nobody
$junction->misbehave(do => 'status', status => 403, detail => 'not in your plan', match => "$document/stream");
$again->();
wait_until($node, 'app', "SELECT state = 'waiting' AND http_status = 403 FROM wearables.stream_pulls WHERE document_id = '$document'", '403: it waits');
sql(q{UPDATE wearables_internal.refused_keys SET checked_at = checked_at - interval '60 s'; UPDATE wearables.jobs SET run_at = now() WHERE kind = 'stream' AND argument->>'stream_id' <> (SELECT p.stream_id::text FROM wearables.stream_pulls p WHERE p.document_id = '} . $document . q{')});
my $others = sql("SELECT wearables.request_backfill($alice, '', 'heartrate', '2025-05-20', '2025-05-21')");
wait_until($node, 'app', "SELECT state = 'done' FROM wearables.backfills WHERE backfill_id = $others", 'a pull is answered');
sql(q{UPDATE wearables.jobs SET run_at = now() WHERE kind = 'stream'});
ended('403 once more: ends');  # was: waited, and stopped all
is(sql("SELECT state || ' ' || error FROM wearables.stream_pulls WHERE document_id = '$document'"), 'failed the vendor responded with status 403: not in your plan', 'with its words');
is(sql('SELECT count(*) FROM wearables_internal.refused_keys'), 0, 'and the endpoint goes on');
$junction->misbehave;
queue_is_empty($node, 'app');
is(sql(q{SELECT count(*) > 0 FROM wearables.samples WHERE channel = 'workout_stream'}), 't', 'and what is there stays');

# Killed while requests are under way: no transaction is open meanwhile, and each is stored once
$junction->control(latency => 1);
$again->();
wait_until($node, 'app', q{SELECT count(*) > 0 FROM wearables.jobs WHERE kind = 'stream' AND state = 'running'}, 'requests are under way');
is(sql(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL)}), 0, 'no snapshot is held meanwhile');
$node->stop('immediate');
start_again($node);
$junction->control(latency => 0);
ended('after a crash they are pulled');
queue_is_empty($node, 'app');
is(sql(q{SELECT count(*) - count(DISTINCT message_id) FROM wearables.webhook_events WHERE message_id LIKE 'stream:%'}), 0, 'and each request is stored once');
is(sql(q{SELECT max(count) FROM wearables.deliveries WHERE message_id LIKE 'stream:%'}), 1, 'and only once');

# Without the vendor: what is stored is read again, and nothing is asked for
$junction->stop;
my $before = digest();
is(sql(q{SELECT concat_ws(' ', (r).processed > 20, (r).inserted, (r).changed, (r).removed) FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events) x}), 't 0 0 0', 'a replay of all changes nothing');
is(digest(), $before, 'and all is as it was');
sql(q{UPDATE wearables.mappings SET enabled = true WHERE metric IN ('latitude', 'longitude')});
is(sql(q{SELECT (r).inserted > 100 FROM (SELECT wearables.replay(event_id) AS r FROM wearables.webhook_events WHERE resource = 'workout_stream') x}), 't', 'where the user was is read once that is asked for, without the vendor');
is(sql(q{SELECT count(*) FROM wearables.jobs WHERE kind = 'stream'}), 0, 'and nothing was asked for');
is(restart_count($node), 0, 'no crash but those above');
$node->stop;
done_testing();
