# An event of half a million readings: what handling it takes is bounded by the size of its body.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

plan skip_all => 'needs /proc/self/status' unless -r '/proc/self/status';

my $readings = 500_000;
my $most = 4;    # times the body

# shared memory counts as the process's own once touched: there is little of it
my $node = make_node('memory', "wearables_ingest.databases = ''", 'wearables_ingest.body_limit = 256MB', 'shared_buffers = 16MB', 'autovacuum = off');
$node->start;
install($node, 'postgres', 'anna');

# The database makes and signs the body itself. Returns how many bytes it has.
sub send_beats
{
	my ($id, $first, $last) = @_;
	return run_sql($node, 'postgres', sprintf q{
SELECT length(body) FROM (
  SELECT convert_to('{"event_type":"daily.data.heartrate.created","user_id":"ext-anna","client_user_id":"anna","data":{"source":{"provider":"garmin","type":"watch"},"data":['
    || string_agg(format('{"id":null,"timestamp":"%%s","timezone_offset":3600,"type":null,"unit":"bpm","value":%%s.0}',
                         to_char(timestamp '2024-01-01' + i * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'), 50 + i %% 97), ',')
    || ']}}', 'UTF8') AS body
  FROM generate_series(%d, %d) i) b, wearables.receive(wearables.signed_headers('%s', now(), body, '%s'), body) r
WHERE r.status = 'accepted'}, $first, $last, $id, secret());
}

# What a session takes for a statement at its peak, beside what it had before and the shared memory it touches; and
# what it keeps of it for its next statement.
sub memory_of
{
	my ($statement) = @_;
	my $status = q{SELECT pg_read_file('/proc/self/status')};
	my (%before, %after);
	my ($first, $second) = split /^=+$/m, run_sql($node, 'postgres', "$status;\nSELECT '===';\n$statement;\n$status;");
	$before{$1} = $2 * 1024 while $first =~ /^(VmHWM|RssShmem|RssAnon):\s+(\d+) kB/mg;
	$after{$1} = $2 * 1024 while $second =~ /^(VmHWM|RssShmem|RssAnon):\s+(\d+) kB/mg;
	return ($after{VmHWM} - $before{VmHWM} - ($after{RssShmem} - $before{RssShmem}), $after{RssAnon} - $before{RssAnon});
}

sub peak_of { return (memory_of(@_))[0]; }

my $bytes = send_beats('large', 1, $readings);
cmp_ok($bytes, '>', 100 * $readings, "a body of $bytes bytes");

for my $handling ([ 'handled', 'CALL wearables.drain()' ],
	[ 'handled again', 'SELECT (wearables.replay(event_id)).unchanged FROM wearables.webhook_events' ])
{
	my ($what, $statement) = @$handling;
	my $peak = peak_of($statement);
	note sprintf '%s: %.0f MB, %.2f times the body', $what, $peak / 1e6, $peak / $bytes;
	cmp_ok($peak, '<=', $most * $bytes, "$what within $most times the body");
	cmp_ok($peak, '>', $bytes, 'and what was measured holds the body');
	is(run_sql($node, 'postgres', q{SELECT concat_ws(' ', status, inserted, (SELECT count(*) FROM wearables.sample_points)) FROM wearables.webhook_events}),
		"processed $readings $readings", "every reading is there, $what");
}

# What one event of a replay took is free for the next.
run_sql($node, 'postgres', 'DELETE FROM wearables.webhook_events');
send_beats("small $_", $readings + 1 + 20_000 * $_, $readings + 20_000 * ($_ + 1)) for 0 .. 19;
run_sql($node, 'postgres', 'CALL wearables.drain()');
my @peaks = map { peak_of("SELECT (wearables.replay(event_id)).unchanged FROM (SELECT event_id FROM wearables.webhook_events ORDER BY 1 LIMIT $_) e") } 2, 20;
note sprintf '2 events: %.1f MB, 20 events: %.1f MB', map { $_ / 1e6 } @peaks;
cmp_ok($peaks[1], '<', 2 * $peaks[0], 'ten times the events take less than twice the memory');


# Bodies that somebody made to cost much: below 8 times the body and 16 MB, and given back.
sub list_of { my ($resource, $items) = @_; return sprintf q{'{"event_type":"daily.data.%s.created","client_user_id":"anna","data":{"source":{"provider":"p"},"data":[' || %s || ']}}'}, $resource, $items; }
sub documents_of { my ($resource, $items) = @_; return sprintf q{'{"event_type":"daily.data.%s.created","client_user_id":"anna","data":%s}'} =~ s/%s(?=\})/' || %s || '/r, $resource, $items; }
my @hostile = (
	[ 'numbers for samples', list_of('heartrate', q{repeat('1,', 7500000) || '1'}) ],
	[ 'empty objects', list_of('heartrate', q{repeat('{},', 5000000) || '{}'}) ],
	[ 'nested lists', list_of('heartrate', q{repeat('[[[[]]]],', 1500000) || '[]'}) ],
	[ 'samples of one instant', list_of('heartrate', q{repeat('{"timestamp":1717000000,"value":60},', 400000) || '{}'}) ],
	[ 'samples refused', list_of('heartrate', q{repeat('{"timestamp":1717000000,"value":"x"},', 400000) || '{}'}) ],
	[ 'small samples', list_of('heartrate', q{(SELECT string_agg(format('{"timestamp":%s,"value":60}', 1600000000 + i), ',') FROM generate_series(1, 400000) i)}) ],
	[ 'providers', documents_of('heartrate', q{'[' || (SELECT string_agg(format('{"source":{"provider":"p%s"},"data":[{"timestamp":1717000000,"value":60}]}', i), ',') FROM generate_series(1, 33000) i) || ']'}) ],
	[ 'types', list_of('cholesterol', q{(SELECT string_agg(format('{"timestamp":1717000000,"value":4,"unit":"mmol/L","type":"t%s"}', i), ',') FROM generate_series(1, 33000) i)}) ],
	[ 'small documents', documents_of('sleep', q{'[' || (SELECT string_agg(format('{"id":"%s","source_provider":"o","bedtime_stop":%s,"hr_lowest":50}', i, 1600000000 + 60 * i), ',') FROM generate_series(1, 60000) i) || ']'}) ],
	[ 'documents of one id', documents_of('sleep', q{'[' || repeat('{"id":"1","source_provider":"o"},', 450000) || '{}]'}) ],
	[ 'a document of lists', documents_of('sleep_cycle', q{'{"id":"c","source_provider":"o","session_start":"2024-05-01T00:00:00Z","stage_start_offset_second":[' || repeat('1,', 2500000) || '1],"stage_end_offset_second":[' || repeat('2,', 2500000) || '2],"stage_type":[' || repeat('1,', 2500000) || '1]}'}) ],
	[ 'brackets nobody reads', list_of('heartrate', q{'{"timestamp":1717000000,"value":60,"x":' || repeat('[', 8000000) || repeat(']', 8000000) || '}'}) ],
	[ 'samples in samples', list_of('heartrate', q{repeat('{"data":[', 1000000) || repeat(']}', 1000000)}) ],
	[ 'words for samples', list_of('heartrate', q{repeat('NaN,', 4000000) || 'NaN'}) ],
	[ 'a document of words', documents_of('sleep', q{'{"id":"w","source_provider":"o","x":[' || repeat('NaN,', 4000000) || 'NaN]}'}) ],
	[ 'a document of brackets', documents_of('sleep', q{'{"id":"b","source_provider":"o","x":' || repeat('[', 499) || repeat('[[]],', 3000000) || '1' || repeat(']', 499) || '}'}) ],
	[ 'members nobody knows', list_of('heartrate', q{'{"timestamp":1717000000,"value":60,' || (SELECT string_agg(format('"a%s":1', i), ',') FROM generate_series(1, 1200000) i) || '}'}) ]);
for my $body (@hostile)
{
	my ($what, $sql) = @$body;
	run_sql($node, 'postgres', 'DELETE FROM wearables.webhook_events');
	my $bytes = run_sql($node, 'postgres', sprintf q{SELECT length(b.body) FROM (SELECT convert_to(%s, 'UTF8') AS body) b,
		wearables.receive(wearables.signed_headers(%s, now(), b.body, %s), b.body) r WHERE r.status = 'accepted'}, $sql, literal("hostile $what"), literal(secret()));
	my ($peak, $kept) = memory_of('CALL wearables.drain()');
	note sprintf '%s: %.1f MB of body, at most %.0f MB more, %.1f times it; %.1f MB kept', $what, map { $_ } $bytes / 1e6, $peak / 1e6, $peak / $bytes, $kept / 1e6;
	cmp_ok($peak, '<', 8 * $bytes + 16 * 2**20, "$what: below 8 times the body and 16 MB");
	cmp_ok($kept, '<', 8 * 2**20, "$what: given back");
	is(run_sql($node, 'postgres', q{SELECT status FROM wearables.webhook_events}), 'processed', "$what: processed");
}

done_testing();
