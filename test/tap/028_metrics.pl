# metrics_export, as exporters read it: in the exposition format before promtool; its counters while rows go; its cost on a
# large database; and every query of the dashboards and of the exporters' files, in a Prometheus where there is one.
use strict;
use warnings FATAL => 'all';
use File::Basename qw(dirname);
use HTTP::Tiny;
use IO::Socket::INET;
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();
use Wearables;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $json = JSON::PP->new->utf8->canonical;
my $node = make_node('metrics', "wearables_ingest.databases = ''", "timezone = 'UTC'", 'autovacuum = off');
$node->start;
install($node, 'postgres', 'alice', 'bob');
run_sql($node, 'postgres', q{CREATE ROLE watch LOGIN; SELECT wearables.grant_access('watch', 'monitor');
CREATE ROLE chart LOGIN; SELECT wearables.grant_access('chart', 'reader');
UPDATE wearables.endpoints SET base_url = 'http://127.0.0.1:1';
SELECT wearables.set_secret('junction', 'api_key', 0, 'sk_test_0123456789');
INSERT INTO wearables_internal.pull_hosts (host, blocked_until, failures) VALUES (wearables_internal.host_of('http://127.0.0.1:1'), clock_timestamp() + interval '1 hour', 3)});

my $now = time;
my $n = 0;
sub send_event { my ($body, %option) = @_; return deliver($node, 'postgres', message_id($now * 1000 - 100_000 + 8 * ++$n, $n), $body, %option); }
send_event(samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $now - 60 * $_, 60 ] } 1 .. 50));
send_event(samples_event('bob', 'heartrate', 'oura', 'ring', map { [ $now - 60 * $_, 60 ] } 1 .. 50));
send_event(samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now, 100_000 ]));      # quarantined
send_event(samples_event('alice', 'grip_strength', 'garmin', 'watch', [ $now, 1 ]));        # drift
send_event(samples_event('nobody', 'heartrate', 'garmin', 'watch', [ $now, 60 ]));          # parked
send_event(connection_event('alice', 'created', 'garmin'));
my $evening = $now - $now % 86400 + 19 * 3600 - ($now % 86400 < 19 * 3600 ? 86400 : 0);
send_event(document_event('alice', 'sleep', 'oura', 'ring', { id => 'n', bedtime_start => rfc3339($evening - 27000), bedtime_stop => rfc3339($evening), hr_lowest => 48 }));
send_event('{"event_type": "x"}', secret => secret(7)) for 1 .. 3;                          # refused
run_sql($node, 'postgres', 'CALL wearables.drain()');
run_sql($node, 'postgres', q{SELECT wearables.request_backfill(1, '', 'heartrate', now() - interval '2 days', now())});
# deliveries are counted in memory, and written once a second by a worker or drain()
for (1 .. 30)
{
	run_sql($node, 'postgres', q{CALL wearables.drain()});
	last if run_sql($node, 'postgres', q{SELECT count(*) FROM wearables_internal.unwritten_activity()}) == 0;
	Time::HiRes::usleep(500_000);
}

# 1. As samples of the exposition format, by the role of a monitor.
sub samples
{
	my $rows = $json->decode(as_role($node, 'postgres', 'watch', q{SELECT json_agg(m) FROM wearables.metrics_export m})->{out});
	return @$rows;
}

sub exposition
{
	my (%family, @order);
	for my $row (samples())
	{
		push @order, $row->{name} unless $family{ $row->{name} };
		push @{ $family{ $row->{name} } }, $row;
	}
	my $text = '';
	for my $name (@order)
	{
		my $first = $family{$name}[0];
		$text .= "# HELP $name " . ($first->{help} =~ s/\\/\\\\/gr =~ s/\n/\\n/gr) . "\n# TYPE $name $first->{kind}\n";
		for my $row (@{ $family{$name} })
		{
			my $labels = join ',', map { my $value = $row->{labels}{$_} =~ s/\\/\\\\/gr =~ s/"/\\"/gr =~ s/\n/\\n/gr; qq{$_="$value"} } sort keys %{ $row->{labels} };
			$text .= $name . ($labels ne '' ? "{$labels}" : '') . " $row->{value}\n";
		}
	}
	return $text;
}

my @samples = samples();
cmp_ok(scalar @samples, '>', 25, 'there are samples: ' . @samples);
my (%kind, %labels, %seen);
for my $row (@samples)
{
	my $key = join ' ', $row->{name}, $json->encode($row->{labels});
	like($row->{name}, qr/^wearables(_[a-z]+)+$/, "$key: a name");
	ok(!$seen{$key}++, 'of one sample');
	is(($row->{name} =~ /_total$/ ? 'counter' : 'gauge'), $row->{kind}, 'a counter ends with _total, a gauge does not');
	is($row->{kind} . $row->{help} . join(' ', sort keys %{ $row->{labels} }), ($kind{ $row->{name} } //= $row->{kind} . $row->{help} . join(' ', sort keys %{ $row->{labels} })), 'with one kind, help and labels');
	like($row->{value}, qr/^-?[0-9.]+(?:e[+-]?\d+)?$/i, 'and a number');
	unlike($key, qr/alice|bob|nobody|user/, 'no label names a user');
}

sub value_of
{
	my ($name, %label) = @_;
	my ($row) = grep { my $r = $_; $r->{name} eq $name && !grep { $r->{labels}{$_} ne $label{$_} } keys %label } samples();
	return $row ? $row->{value} : undef;
}
is(value_of('wearables_parked_events'), 1, 'one event is parked');
is(value_of('wearables_deliveries_total', result => 'accepted'), 7, 'seven deliveries were accepted');
is(value_of('wearables_deliveries_total', result => 'bad_signature'), 3, 'three were refused');
is(value_of('wearables_endpoint_blocked', endpoint => 'junction'), 1, 'the API is blocked');
is(value_of('wearables_endpoint_failed_requests', endpoint => 'junction'), 3, 'after three failures');
cmp_ok(value_of('wearables_current_backfills', state => 'open'), '>', 1, 'backfills are open');
is(value_of('wearables_drift_events', drift => 'resource'), 1, 'one event is of an unknown resource');
cmp_ok(value_of('wearables_samples_written_total', change => 'inserted'), '>=', 100, 'a hundred samples were written');
cmp_ok(value_of('wearables_quarantined_total'), '>=', 1, 'one was refused');
cmp_ok(abs(value_of('wearables_provider_newest_data_timestamp_seconds', provider => 'garmin') - $now), '<', 120, 'the newest reading of garmin is that of just now');
is(value_of('wearables_health_status'), 1, 'there are warnings') or diag run_sql($node, 'postgres', 'SELECT * FROM wearables.problems');

my $promtool = $ENV{WEARABLES_PROMTOOL} || 'promtool';
{
	my ($out, $err);
	my $text = exposition();
	my $ran = eval { IPC::Run::run([ $promtool, 'check', 'metrics' ], '<', \$text, '>', \$out, '2>', \$err) };
	ok($ran, 'promtool takes it') or diag $@ || "$out$err\n$text";
	is(($out // '') . ($err // ''), '', 'and has nothing to say');
}

# 2. Counters, while rows go: retention, a replay, an erased user, a duplicate.
{
	my %before = map { $_->{name} . $json->encode($_->{labels}) => $_->{value} } grep { $_->{kind} eq 'counter' } samples();
	run_sql($node, 'postgres', q{SELECT wearables.replay(event_id) FROM wearables.webhook_events WHERE user_id = 1; DELETE FROM wearables.sample_points WHERE user_id = 2; DELETE FROM wearables.quarantine;
DELETE FROM wearables.webhook_events WHERE user_id = 2; DELETE FROM wearables.deliveries; DELETE FROM wearables.backfills; DELETE FROM wearables.jobs; VACUUM wearables.sample_points});
	my %after = map { $_->{name} . $json->encode($_->{labels}) => $_->{value} } grep { $_->{kind} eq 'counter' } samples();
	cmp_ok(scalar keys %before, '>=', 8, 'there are counters');
	cmp_ok($after{$_} // -1, '>=', $before{$_}, "$_ does not go back") for sort keys %before;
	cmp_ok($after{'wearables_samples_written_total{"change":"deleted"}'}, '>', 0, 'what was deleted is counted');
}

# 3. A large database costs no more to read: buffers, with a thousand times the rows.
sub buffers
{
	my $plan = run_sql($node, 'postgres', "SELECT count(*) FROM wearables.metrics_export;\n" x 2 . 'EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM wearables.metrics_export');
	return $plan =~ /"Shared Hit Blocks": (\d+)/ ? $1 : die $plan;
}
my $small = buffers();
run_sql($node, 'postgres', q{
INSERT INTO wearables.users (client_user_id) SELECT 'person ' || i FROM generate_series(1, 50000) i;
INSERT INTO wearables.connections (user_id, provider, status, last_data_at) SELECT u.user_id, p, 'connected', now() FROM wearables.users u, unnest('{garmin,fitbit,oura}'::text[]) p ON CONFLICT DO NOTHING;
INSERT INTO wearables.webhook_events (received_at, version, endpoint, message_id, payload, status, user_id)
SELECT now(), i, 'junction', 'm' || i, '{}', 'processed', 2 + i FROM generate_series(1, 40000) i;
INSERT INTO wearables.quarantine (event_id, ordinal, pointer, reason) SELECT 1000000 + i, 0, '/data', 'out_of_range' FROM generate_series(1, 50000) i;
INSERT INTO wearables.parked_events (event_id, received_at, endpoint) SELECT 2000000 + i, now(), 'junction' FROM generate_series(1, 50000) i;
INSERT INTO wearables.jobs (event_id, received_at, dedupe_key, state) SELECT 3000000 + i, now(), 'event:x' || i, CASE WHEN i % 2 = 0 THEN 'ready' ELSE 'failed' END::wearables.job_state FROM generate_series(1, 50000) i;
VACUUM ANALYZE});
my $large = buffers();
cmp_ok($large, '<', $small + 12_000, "it reads a bounded number of pages: $small, then $large");
is(value_of('wearables_parked_events'), 1001, 'and counts no further than 1001');
is(value_of('wearables_queue_jobs', state => 'failed'), 1001, 'of jobs either');

# 4. The files for exporters: each metric once, under its own name, by a query that a monitor may run.
my %names = map { $_->{name} => [ sort keys %{ $_->{labels} } ] } @samples, samples();
my $postgres_exporter = slurp_file('src/grafana/postgres_exporter.yaml');
my %exported;
while ($postgres_exporter =~ /^(wearables\w*):\n  query: "(.+)"\n  metrics:\n((?:    .*\n)+)/mg)
{
	my ($key, $query, $columns) = ($1, $2, $3);
	my @labels = sort($columns =~ /- (\w+):\n        usage: LABEL/g);
	my ($value, $kind) = $columns =~ /- (\w+):\n        usage: (GAUGE|COUNTER)/;
	$exported{"${key}_$value"} = 1;
	is_deeply(\@labels, $names{"${key}_$value"}, "postgres_exporter: ${key}_$value and its labels");
	my $run = as_role($node, 'postgres', 'watch', $query);
	is($run->{err}, '', 'a monitor runs its query');
	isnt($run->{out}, '', 'and it has rows');
}
is_deeply([ sort keys %exported ], [ sort grep { !/running_workers/ || $exported{$_} } keys %names ], 'postgres_exporter.yaml has every metric');
my $collector = slurp_file('src/grafana/wearables.collector.yml');
my %collected = $collector =~ /metric_name: (\w+)\n    type: (\w+)/g;
is_deeply([ sort keys %collected ], [ sort keys %exported ], 'so has wearables.collector.yml');
for my $query ($collector =~ /query: "(.+)"/g)
{
	is(as_role($node, 'postgres', 'watch', $query)->{err}, '', "sql_exporter: $query");
}

# 5. The dashboard of a person: its queries with the variables and macros of Grafana filled in, by a reader. What ends
# in the evening is of the night before the next day: it is shown, too.
sub queries_of { my ($panels) = @_; return map { my $panel = $_; map { [ $panel->{title}, $_->{rawSql} // $_->{expr} ] } @{ $panel->{targets} } } @$panels; }
my $person = $json->decode(slurp_file('src/grafana/wearables-person.json'));
my @statements = (queries_of($person->{panels}), map { [ $_->{name}, $_->{query} ] } grep { $_->{type} eq 'query' } @{ $person->{templating}{list} });
cmp_ok(scalar @statements, '>=', 8, 'there are statements');
my %filled = ('$user' => 1, '$metric' => 'heartrate', '$bucket' => 'hour', '$__timeFrom()' => q{'} . rfc3339($now - 86400) . q{'}, '$__timeTo()' => q{'} . rfc3339($now + 3600) . q{'});
for my $statement (@statements)
{
	my ($title, $sql) = @$statement;
	$sql =~ s/(\$\w+(?:\(\))?)/$filled{$1} \/\/ die "unknown $1"/ge;
	my $run = as_role($node, 'postgres', 'chart', $sql);
	is($run->{err}, '', "$title runs");
	isnt($run->{out}, '', 'and shows something') unless $title =~ /Steps/;
}

# 6. The dashboard of operations, in a Prometheus that has scraped the samples: every query is one, and has a result.
my $operations = $json->decode(slurp_file('src/grafana/wearables-operations.json'));
my @queries = queries_of($operations->{panels});
cmp_ok(scalar @queries, '>=', 20, 'there are queries');
my %used = map { $_ => 1 } map { $_->[1] =~ /(wearables_\w+)/g } @queries;
is_deeply([ sort keys %used ], [ sort keys %exported ], 'they use every metric, and none that is not there');

my ($scraped, $port) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
mkdir "$dir/web";
append_to_file("$dir/web/metrics", exposition());
append_to_file("$dir/prometheus.yml", "global: {scrape_interval: 1s}\nscrape_configs: [{job_name: wearables, static_configs: [{targets: ['127.0.0.1:$scraped']}]}]\n");
my @programs = (
	[ '/usr/bin/python3', '-m', 'http.server', '--bind', '127.0.0.1', '--directory', "$dir/web", $scraped ],
	[ ($promtool =~ s/promtool$/prometheus/r), "--config.file=$dir/prometheus.yml", "--storage.tsdb.path=$dir/tsdb", "--web.listen-address=127.0.0.1:$port" ]);
my @running = map { IPC::Run::start($_, '<', \undef, '>', "$dir/program.out", '2>', "$dir/program.err") } @programs;
END { my $status = $?; for (@running) { $_->signal('TERM'); eval { $_->finish }; } $? = $status; }
my $http = HTTP::Tiny->new(timeout => 10);

sub ask
{
	my ($expression) = @_;
	my $response = $http->post_form("http://127.0.0.1:$port/api/v1/query", { query => $expression });
	return eval { $json->decode($response->{content}) } // { status => $response->{content} };
}
# two scrapes make a rate
my $scrapes = 0;
for (1 .. 600)
{
	my $answer = ask('count_over_time(wearables_health_status[1m])');
	$scrapes = $answer->{data}{result}[0]{value}[1] // 0 if ref $answer->{data};
	last if $scrapes >= 3;
	Time::HiRes::usleep(100_000);
}
cmp_ok($scrapes, '>=', 3, 'Prometheus has scraped it') or diag slurp_file("$dir/program.err");
for my $query (@queries)
{
	my ($title, $expression) = @$query;
	$expression =~ s/\$__rate_interval/1m/g;
	my $answer = ask($expression);
	is($answer->{status}, 'success', "$title: $expression");
	cmp_ok(scalar @{ $answer->{data}{result} // [] }, '>', 0, 'has a result') or diag $json->encode($answer);
}

$node->stop;
done_testing();
