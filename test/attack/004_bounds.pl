# What one body can do to everybody else: numbers that run out, tables without bound, work that is not linear.
# The timeouts are no measure, make bench is: they end what once took minutes.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('bounds', "wearables_ingest.databases = ''", 'restart_after_crash = on', 'autovacuum = off');
$node->start;
my $noon = 1_700_000_000;
my $sent = 0;

sub new_site { my ($name) = @_; run_sql($node, 'postgres', "CREATE DATABASE $name"); install($node, $name, 'alice', 'bob'); return $name; }

# The database builds the body from a template and signs it itself, as such bodies are large.
sub send_made
{
	my ($site, $sql) = @_;
	return run_sql($node, $site, sprintf q{SELECT r.status FROM (SELECT convert_to(%s, 'UTF8') AS body) b, wearables.receive(wearables.signed_headers('%s', now(), b.body, '%s'), b.body) r},
		$sql, message_id($noon * 1000 + 8 * ++$sent, 'made'), secret());
}

sub body_sql
{
	my ($resource, $data) = @_;
	return sprintf q{'{"event_type":"daily.data.%s.created","user_id":"ext-alice","client_user_id":"alice","data":' || %s || '}'}, $resource, $data;
}

sub drain { my ($site) = @_; return as_role($node, $site, 'postgres', "SET statement_timeout = '60s'; CALL wearables.drain()")->{err}; }

sub buffers_of
{
	my ($site, $query) = @_;
	my $plan = run_sql($node, $site, "$query;\n" x 2 . "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) $query");
	return $plan =~ /"Shared Hit Blocks": (\d+)/ ? $1 : die $plan;
}

my $latest = 'SELECT count(*) FROM wearables.latest((SELECT user_id FROM wearables.users WHERE client_user_id = %s))';

# 10. Names: 33,000 providers, 33,000 types, and 20,000 types that fit.
for my $attack (
	[ providers => body_sql('heartrate', q{'[' || (SELECT string_agg(format('{"source":{"provider":"p%s"},"data":[{"timestamp":"2024-05-01T08:00:00Z","value":60}]}', i), ',') FROM generate_series(1, 33000) i) || ']'}) ],
	[ types => body_sql('cholesterol', q{'{"source":{"provider":"p"},"data":[' || (SELECT string_agg(format('{"timestamp":"2024-05-01T08:00:00Z","value":4,"unit":"mmol/L","type":"t%s"}', i), ',') FROM generate_series(1, 33000) i) || ']}'}) ],
	[ fitting => body_sql('cholesterol', q{'{"source":{"provider":"p"},"data":[' || (SELECT string_agg(format('{"timestamp":"2024-05-01T08:00:00Z","value":4,"unit":"mmol/L","type":"u%s"}', i), ',') FROM generate_series(1, 20000) i) || ']}'}) ])
{
	my ($name, $sql) = @$attack;
	my $site = new_site("names_$name");
	deliver($node, $site, message_id($noon * 1000, 'before'), samples_event('bob', 'heartrate', 'before', 'watch', [ $noon, 60 ]));
	drain($site);
	my $before = buffers_of($site, sprintf $latest, q{'bob'});
	is(send_made($site, $sql), 'accepted', "a body of many $name is stored");
	is(drain($site), '', 'and handled');
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.webhook_events WHERE status = 'processed'}), 2, 'to its end');
	cmp_ok(run_sql($node, $site, 'SELECT (SELECT count(*) FROM wearables.sources) + (SELECT count(*) FROM wearables.metrics) - 300'), '<', 600, 'it made few names');
	cmp_ok(run_sql($node, $site, 'SELECT count(*) FROM wearables.quarantine'), '<=', 1001, 'the rest is in quarantine, in bounds');
	is(run_sql($node, $site, q{SELECT quarantined + inserted > 19000 FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1}), 't', 'and every reading is counted');
	deliver($node, $site, message_id($noon * 1000 + 4_000_000, 'after'), samples_event('bob', 'heartrate', 'after', 'watch', [ $noon + 60, 61 ]));
	is(drain($site), '', 'then comes an honest new provider');
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.samples WHERE provider = 'after'}), 1, 'whose samples are there');
	is(run_sql($node, $site, 'SELECT count(*) FROM wearables.jobs'), 0, 'at the first attempt');
	cmp_ok(buffers_of($site, sprintf $latest, q{'bob'}), '<', 4 * $before + 50, 'latest() of another reads about what it read before');
}

# 11. Quarantine.
{
	my $site = new_site('refused');
	for my $attack ([ 'ones', q{repeat('1,', 7500000) || '1'} ], [ 'samples without a value', q{repeat('{"timestamp":1717000000},', 240000) || '{}'} ])
	{
		my ($what, $list) = @$attack;
		my $size = run_sql($node, $site, q{SELECT pg_total_relation_size('wearables.quarantine')});
		is(send_made($site, body_sql('heartrate', qq{'{"source":{"provider":"p"},"data":[' || $list || ']}'})), 'accepted', "a body of $what is stored");
		is(drain($site), '', 'and handled');
		is(run_sql($node, $site, q{SELECT count(*) FROM wearables.quarantine WHERE event_id = (SELECT max(event_id) FROM wearables.webhook_events)}), 1001, 'it made 1,001 rows of quarantine');
		cmp_ok(run_sql($node, $site, q{SELECT pg_total_relation_size('wearables.quarantine')}) - $size, '<', 1_000_000, 'of less than a megabyte');
		is(run_sql($node, $site, q{SELECT quarantined FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1}), $what eq 'ones' ? 7_500_001 : 240_001, 'each reading is counted');
		run_sql($node, $site, 'SELECT wearables.replay(e.last) FROM (SELECT max(event_id) AS last FROM wearables.webhook_events) e');
		is(run_sql($node, $site, q{SELECT count(*) FROM wearables.quarantine WHERE event_id = (SELECT max(event_id) FROM wearables.webhook_events)}), 1001, 'and a replay makes no more');
	}
}

# 12. Drift: junk names do not hide what comes after.
{
	my $site = new_site('drift');
	run_sql($node, $site, sprintf q{
DO $$ DECLARE body bytea; BEGIN
FOR part IN 1 .. 400 LOOP
  body := convert_to(%s, 'UTF8');
  PERFORM wearables.receive(wearables.signed_headers('msg_junk' || part, now(), body, '%s'), body);
END LOOP; END $$}, body_sql('heartrate', q{'{"source":{"provider":"p"},"data":[{"timestamp":1717000000,"value":60,' || (SELECT string_agg(format('"junk_%s_%s":1', part, i), ',') FROM generate_series(1, 60) i) || '}]}'}), secret());
	is(drain($site), '', 'events of 24,000 junk names are handled');
	deliver($node, $site, message_id($noon * 1000 + 4_000_000, 'honest'), samples_event('bob', 'grip_strength', 'acme', 'watch', [ $noon, 60 ]));
	drain($site);
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.drift WHERE kind = 'resource' AND resource = 'grip_strength'}), 1, 'a new resource is seen after them');
	deliver($node, $site, message_id($noon * 1000 + 5_000_000, 'honest'), samples_event('bob', 'heartrate', 'honest_provider', 'watch', [ $noon, 60 ]));
	drain($site);
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.drift WHERE value = 'honest_provider'}), 1, 'and a new provider');
}

# 13. The removal of orphans, with 60,000 in one event.
{
	my $site = new_site('orphans');
	send_made($site, body_sql('heartrate', q{'{"source":{"provider":"p"},"data":[' || (SELECT string_agg(format('{"timestamp":%s,"value":60}', 1600000000 + i), ',') FROM generate_series(1, 60000) i) || ']}'}));
	is(drain($site), '', 'an event of 60,000 samples');
	run_sql($node, $site, q{INSERT INTO wearables.metrics (name, unit) VALUES ('other_rate', '/min'); UPDATE wearables.mappings SET metric = 'other_rate', unit_field = NULL WHERE resource = 'heartrate'});
	my $run = as_role($node, $site, 'postgres', "SET statement_timeout = '60s'; SELECT (t).inserted, (t).removed FROM (SELECT wearables.replay(event_id) AS t FROM wearables.webhook_events) r");
	is($run->{out}, '60000|60000', 'is read as another metric in good time') or diag $run->{err};
}

# 14. Keys handed down among 400 overlapping events of wall-clock time, when the zone changes.
{
	my $site = new_site('claims');
	run_sql($node, $site, join '', q{UPDATE wearables.users SET time_zone = 'UTC';}, map { my $first = $_; receive_sql(message_id(($noon + 30 * 86400) * 1000 + 8 * ++$sent, "claims $_"), samples_event('alice', 'glucose', 'freestyle_libre', 'unknown',
			map { [ $noon + 900 * ($first + $_), 5, 'mmol/L' ] } 0 .. 399)) } 1 .. 400);
	is(drain($site), '', '400 overlapping events of wall-clock time');
	run_sql($node, $site, q{UPDATE wearables.users SET time_zone = 'America/New_York'; SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events ORDER BY event_id DESC LIMIT 1});
	is(drain($site), '', 'one queued again after the zone has changed ends in good time');
	is(run_sql($node, $site, q{SELECT count(*), extract(epoch FROM min(ts))::bigint FROM wearables.sample_points WHERE user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = 'alice')}),
		'799|' . ($noon + 900 + 5 * 3600), 'all moved, as each claimed what a newer one gave up');
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.jobs}), 0, 'and leaves no job');
}

# Nights within nights, of one source: each judged against each for each that had changed. 500 took 89 s; these are 3,000.
{
	my $site = new_site('nested_nights');
	# the ones of higher numbers lie within those of lower ones
	my $nights = q{'[' || (SELECT string_agg(format('{"id":"n%%s","source":{"provider":"oura","type":"ring"},"bedtime_start":"%%s","bedtime_stop":"%%s","hr_lowest":50}', i,
		to_json(timestamptz '2023-11-10 20:00Z' + i * interval '1 s')#>>'{}', to_json(timestamptz '2023-11-11 08:00Z' - i * interval '1 s')#>>'{}'), ',') FROM generate_series(%d, %d) i) || ']'};
	is(send_made($site, body_sql('sleep', sprintf $nights, 1, 3000)), 'accepted', 'a body of nested nights is stored');
	is(drain($site), '', 'and handled');
	is(run_sql($node, $site, q{SELECT count(*) || ' ' || count(session_end) FROM wearables.summaries}), '3000 3000', 'to its end');
	is(send_made($site, body_sql('sleep', sprintf $nights, 0, 0)), 'accepted', 'then one that contains them all');
	is(drain($site), '', 'is handled');
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.summaries WHERE superseded}), 3000, 'and supersedes them');
}

# 16. Events whose versions end in the same 20 bits of a hash have each its own documents.
{
	my $site = new_site('hashes');
	run_sql($node, $site, join '', map { my $id = message_id($noon * 1000 + 8 * $_, "hash $_");
			receive_sql($id, document_event('alice', 'sleep', 'oura', 'ring', { id => "night $_", bedtime_stop => rfc3339($noon - 86400 * $_), hr_lowest => 48 })) } 1 .. 4000);
	is(drain($site), '', '4,000 nights');
	my $pair = q{(SELECT min(event_id) FROM wearables.webhook_events GROUP BY version & 1048575 HAVING count(*) > 1 ORDER BY 1 LIMIT 1)};
	like(run_sql($node, $site, "SELECT $pair"), qr/^\d+$/, 'two of them have the same last 20 bits');
	run_sql($node, $site, "UPDATE wearables.resources SET kind = 'skipped' WHERE name = 'sleep'; SELECT wearables.replay($pair)");
	is(run_sql($node, $site, q{SELECT count(*), (SELECT count(*) FROM wearables.sample_points) FROM wearables.summaries}), '3999|7998', 'to skip one leaves the night of the other');
}
# 17. Objects around objects, 480 of them: what is inside was walked once for each, in 20 s and more. Lists that stand before
# their source, 240 of them: the parser went through what is inside once for each.
{
	my $site = new_site('nested');
	for my $attack ([ 'groups', 'heartrate', 480, '{"data":', '}' ], [ 'documents whose id comes last', 'sleep', 480, '{"data":', ',"id":"x"}' ],
		[ 'lists before their source', 'heartrate', 240, '{"data":[', '],"source":{"provider":"p"}}' ])
	{
		my ($what, $resource, $levels, $open, $close) = @$attack;
		my $data = qq{repeat('$open', $levels) || '{"x":[' || repeat('1234567890,', 1300000) || '1]}' || repeat('$close', $levels)};
		is(send_made($site, body_sql($resource, $data)), 'accepted', "a body of nested $what is stored");
		my $run = as_role($node, $site, 'postgres', "SET statement_timeout = '8s'; CALL wearables.drain()");
		is($run->{err}, '', 'and handled in good time');
		is(run_sql($node, $site, 'SELECT count(*) FROM wearables.jobs'), 0, 'at the first attempt');
	}
}

is(restart_count($node), 0, 'the server has not crashed');

$node->stop;
done_testing();
