# pg_dump and restore: everything but the secrets comes back, and life goes on from there.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('dump', "wearables_ingest.databases = ''", "wearables_ingest.secret_env_prefix = 'WEARABLES_'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'alice', 'bob');

my $now = time - time % 60;
my $sent = 0;
my %sent;    # name -> [id, body]

sub statement_for
{
	my ($name, $body) = @_;
	my $id = message_id(($now - 3600) * 1000 + 8 * ++$sent, $name);
	$sent{$name} = [ $id, $body ];
	return receive_sql($id, $body);
}

sub night
{
	my ($number, %fields) = @_;
	return document_event('alice', 'sleep', 'oura', 'ring',
		{ id => "night-$number", bedtime_stop => rfc3339($now - 86400 * $number), hr_lowest => 48 + $number, hr_average => 60, %fields });
}

# Whatever a database can hold after a while.
run_sql($node, 'app', <<'SQL' . join '',
CREATE ROLE chart_reader; CREATE ROLE door; CREATE ROLE keeper;
SELECT wearables.grant_access('chart_reader', 'reader'), wearables.grant_access('door', 'ingest'), wearables.grant_access('keeper', 'operator');
SELECT wearables.add_endpoint('sandbox', environment => 'sandbox', base_url => 'https://api.sandbox.invalid', tolerance => '1 hour', success_status => 200);
SELECT wearables.set_secret('sandbox', 'webhook', 0, 'whsec_c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBmb3IgdGVzdHM=');
SELECT wearables.set_secret('sandbox', 'api_key', 0, 'sk_us_very_secret_key');
SELECT wearables.set_secret('junction', 'webhook', 1, 'env:WEARABLES_SANDBOX');
SELECT wearables.expose_endpoint('sandbox');
SELECT wearables.register_user('carol', time_zone => 'Europe/Berlin');
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
UPDATE wearables.mappings SET enabled = false WHERE resource = 'sleep' AND metric = 'respiratory_rate';
UPDATE wearables.metrics SET highest = 350 WHERE name = 'heartrate';
UPDATE wearables.metric_codes SET rank = 0 WHERE metric = 'heartrate' AND code = 'HeartRateRecord';
INSERT INTO wearables.metric_codes (metric, system, scope, code) VALUES ('heartrate', 'urn:site', 'day', 'pulse of the day');
UPDATE wearables.units SET factor = 7.5 WHERE metric = 'blood_pressure' AND text = 'kPa';
UPDATE wearables.resources SET backfill_days = 11, window_days = 7, note = 'ours' WHERE name = 'sleep';
UPDATE wearables.resources SET reconcile_days = 9, one_per = 'source', session_start = 'from', session_end = 'until' WHERE name = 'body';
UPDATE wearables.metrics SET parent = NULL WHERE name = 'electrocardiogram_voltage/lead_1';
UPDATE wearables.metrics SET name = 'swapped' WHERE name = 'vo2_max'; UPDATE wearables.metrics SET name = 'vo2_max' WHERE name = 'wheelchair_push'; UPDATE wearables.metrics SET name = 'wheelchair_push' WHERE name = 'swapped';
UPDATE wearables.metrics SET name = 'daylight' WHERE name = 'uv_exposure';
UPDATE wearables.known_fields SET texts = texts || 'acme'::text WHERE path = 'source.provider';
UPDATE wearables.known_fields SET note = 'ours' WHERE resource = 'sleep' AND path = 'bedtime_start';
INSERT INTO wearables.known_fields (resource, path) VALUES ('sleep', 'snoring'), (NULL, 'source.colour');
INSERT INTO wearables.metrics (name, unit, aggregate, kind) VALUES ('mood', '1', 'last', 'instant'), ('sauna', 'min', 'sum', 'interval');
INSERT INTO wearables.source_priorities (user_id, metric, rank, provider, source_type, channel) VALUES (NULL, NULL, 1, NULL, 'ring', NULL), (NULL, 'sauna', 1, 'oura', NULL, 'timeseries'), (1, 'heartrate', 1, 'garmin', NULL, NULL);
INSERT INTO wearables.accesses (first_at, last_at, session_role, role, claim, function, user_id, reads) VALUES (now(), now(), 'proxy', 'clinician', 'dr-carol', 'latest', 1, 3);
INSERT INTO wearables.units (metric, text, factor) VALUES ('sauna', 'hour', 60), ('heartrate', 'beats', 1);
INSERT INTO wearables.resources (name, kind) VALUES ('mood', 'timeseries'), ('sauna', 'timeseries');
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field, extends) VALUES ('mood', 'mood', '{value}', NULL, '{type}'), ('sauna', 'sauna', '{value}', 'unit', '{}');
SQL
	statement_for('pulse', samples_event('alice', 'heartrate', 'garmin', 'watch', map { [ $now - 60 * $_, 60 + $_ ] } 1 .. 50)),
	statement_for('pulse 2', samples_event('bob', 'heartrate', 'apple_health_kit', 'watch', map { [ $now - 60 * $_, 70 + $_ ] } 1 .. 50)),
	statement_for('correction', samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now - 60, 99 ], [ $now - 120, 5 ], [ $now - 180, undef ])),
	statement_for('night 1', night(1)), statement_for('night 2', night(2, average_hrv => 55.5)),
	statement_for('night 1 revised', night(1, bedtime_stop => rfc3339($now - 80000), updated_at => rfc3339($now))),
	statement_for('mood', to_json({ event_type => 'daily.data.mood.created', client_user_id => 'carol', user_id => 'ext-carol',
			data => { source => { provider => 'diary' }, data => [ { timestamp => rfc3339($now), value => 3, type => 'morning' },
				{ timestamp => rfc3339($now), value => 4, type => 'evening' } ] } })),
	statement_for('sauna', to_json({ event_type => 'daily.data.sauna.created', client_user_id => 'carol', user_id => 'ext-carol',
			data => { source => { provider => 'diary' }, data => [ { timestamp => rfc3339($now), value => 0.5, unit => 'hour' } ] } })),
	statement_for('connected', connection_event('alice', 'created', 'garmin')),
	statement_for('lost', connection_event('bob', 'error', 'apple_health_kit', 'token_refresh_failed')),
	statement_for('history', to_json({ event_type => 'historical.data.sleep.created', client_user_id => 'bob', user_id => 'ext-bob',
			data => { user_id => 'ext-bob', provider => 'oura', start_date => rfc3339($now - 864000), end_date => rfc3339($now) } })),
	statement_for('unknown type', to_json({ event_type => 'labtest.order.created', user_id => 'ext-bob', data => {} })),
	statement_for('stranger', samples_event('dave', 'heartrate', 'garmin', 'watch', [ $now - 60, 50 ])),
	statement_for('bytes', join '', map { chr } 0 .. 255));

# Events of other weeks: some moved to a partition of theirs, some still in the default partition.
sub move
{
	my ($name, $days) = @_;
	return sprintf q{WITH moved AS (UPDATE wearables.webhook_events e SET received_at = e.received_at + interval '%d days' WHERE e.message_id = '%s' RETURNING e.event_id, e.received_at),
	  jobs AS (UPDATE wearables.jobs j SET received_at = m.received_at FROM moved m WHERE j.event_id = m.event_id)
	  UPDATE wearables.deliveries d SET received_at = m.received_at FROM moved m WHERE d.event_id = m.event_id;}, $days, $sent{$name}[0];
}
run_sql($node, 'app', join "\n", move('pulse', -30), move('night 1', -30), move('night 2', -22));
make_partitions($node, 'app');
run_sql($node, 'app', join "\n", move('pulse 2', 100), move('mood', -90), 'CALL wearables.drain();',
	# a row that others name, written after them
	"UPDATE wearables.metrics SET highest = 10 WHERE name = 'mood';",
	q{INSERT INTO wearables.backfills (user_id, endpoint, external_user_id, provider, resource, range_from, range_to, intent, state, cursor)
	  SELECT u.user_id, 'junction', 'ext-bob', 'oura', 'sleep', '2025-01-01', '2025-02-01', 'requested', 'cancelled', 'of the next page' FROM wearables.users u WHERE u.client_user_id = 'bob';},
	'SELECT wearables.replay(event_id) FROM wearables.webhook_events;', 'SELECT wearables.replay(event_id) FROM wearables.webhook_events;',
	statement_for('still in the queue', samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now, 61 ])));

my $overview = 'SELECT ' . join ', ', map { "(SELECT count(*) > 0 FROM wearables.$_)" }
  'sample_points', 'summaries', 'connections', 'connection_events', 'backfills', 'parked_events', 'quarantine', 'source_priorities', 'accesses',
  "jobs WHERE state = 'ready'", "jobs WHERE state = 'failed'", 'webhook_events_default', "metrics WHERE origin = 'extended'",
  "metrics WHERE origin = 'changed'", "known_fields WHERE origin = 'changed'", 'drift', "units WHERE origin = 'changed'", "metric_codes WHERE origin = 'changed'", "metric_codes WHERE origin = 'user'", "resources WHERE origin = 'changed'", 'mappings WHERE NOT enabled',
  "webhook_events WHERE tableoid <> 'wearables.webhook_events_default'::regclass AND received_at < now() - interval '20 days'";
unlike(run_sql($node, 'app', $overview), qr/f/, 'there is something of every kind to dump');

# Dump and restore
my $dir = $PostgreSQL::Test::Utils::tmp_check;
my @made = ();

sub quietly
{
	my ($what, @command) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ $node->installed_command(shift @command), @command ], '<', \undef, '>', \$out, '2>', \$err);
	ok($ok, $what);
	is($err, '', "$what: without a word");
	return $out;
}

sub restored_into
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	push @made, $database;
	return ('-d', $node->connstr($database));
}
quietly('pg_dump, plain', 'pg_dump', '-d', $node->connstr('app'), '-f', "$dir/app.sql");
quietly('pg_dump, custom', 'pg_dump', '-d', $node->connstr('app'), '-Fc', '-f', "$dir/app.dump");
quietly('pg_dump, rows as INSERT', 'pg_dump', '-d', $node->connstr('app'), '--inserts', '-f', "$dir/inserts.sql");
quietly('psql', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', restored_into('plain'), '-f', "$dir/app.sql", '-o', '/dev/null');
quietly('pg_restore', 'pg_restore', '--exit-on-error', restored_into('custom'), "$dir/app.dump");
quietly('psql, rows as INSERT', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', restored_into('inserts'), '-f', "$dir/inserts.sql", '-o', '/dev/null');
quietly('pg_dump of what was restored', 'pg_dump', '-d', $node->connstr('plain'), '-f', "$dir/second.sql");
quietly('psql, the second time', 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', restored_into('second'), '-f', "$dir/second.sql", '-o', '/dev/null');

my $text = slurp_file("$dir/app.sql") . quietly('pg_restore, as text', 'pg_restore', '-f', '-', "$dir/app.dump");
for my $secret (secret(), 'whsec_c2VjcmV0IG9mIHRoZSBzYW5kYm94LCBmb3IgdGVzdHM=', 'sk_us_very_secret_key', 'WEARABLES_SANDBOX')
{
	is(index($text, $secret =~ s/^whsec_//r), -1, 'a secret is not in the dump');
}
cmp_ok(index($text, 'night-2'), '>', 0, 'where other text is found');

sub tables
{
	my ($database) = @_;
	return split /\n/, run_sql($node, $database, q{SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'wearables'::regnamespace AND c.relkind = 'r' ORDER BY 1});
}

sub rows
{
	my ($database, $table) = @_;
	return [ split /\n/, run_sql($node, $database, qq{SET timezone = 'UTC'; SELECT t::text FROM wearables.$table t ORDER BY t::text COLLATE "C"}) ];
}

my %catalog = (
	'columns' => q{SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcompression, a.attstorage, pg_get_expr(d.adbin, d.adrelid)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = 'wearables'::regnamespace ORDER BY 1, 2},
	'indexes' => q{SELECT indexdef FROM pg_indexes WHERE schemaname = 'wearables' ORDER BY 1},
	'constraints' => q{SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'wearables'::regnamespace ORDER BY 1, 2},
	'partitions' => q{SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), obj_description(c.oid, 'pg_class') FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' ORDER BY 1},
	'rights on tables' => q{SELECT c.relname, a.grantee::regrole::text, a.privilege_type, a.is_grantable FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.relnamespace = 'wearables'::regnamespace ORDER BY 1, 2, 3},
	'rights on routines' => q{SELECT p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace) ORDER BY 1, 2, 3},
	'doors' => q{SELECT pg_get_functiondef(p.oid), obj_description(p.oid), (SELECT string_agg(d.deptype::text, '' ORDER BY d.deptype) FROM pg_depend d
		WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.refclassid = 'pg_extension'::regclass)
		FROM pg_proc p WHERE p.pronamespace = 'wearables_api'::regnamespace ORDER BY p.oid::regprocedure::text},
	'rights on schemas' => q{SELECT n.nspname, a.grantee::regrole::text, a.privilege_type FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname LIKE 'wearables%' ORDER BY 1, 2, 3});

my @tables = tables('app');
my %rows = map { $_ => rows('app', $_) } @tables;
my %of_catalog = map { $_ => run_sql($node, 'app', $catalog{$_}) } keys %catalog;
my $revision = run_sql($node, 'app', 'SELECT wearables.revision()');
for my $database (@made)
{
	is_deeply([ tables($database) ], \@tables, "$database: the same tables");
	for my $table (grep { !/^(endpoint_secrets|revisions)$/ } @tables)
	{
		is_deeply(rows($database, $table), $rows{$table}, "$database: the same rows of $table");
	}
	is(run_sql($node, $database, $catalog{$_}), $of_catalog{$_}, "$database: the same $_") for sort keys %catalog;
	is(run_sql($node, $database, 'SELECT count(*) FROM wearables.endpoint_secrets'), 0, "$database: no secrets");
	my %ledger = map { $_ => 1 } @{ rows($database, 'revisions') };
	is_deeply([ grep { !$ledger{$_} } grep { !/^\(1,/ } @{ $rows{revisions} } ], [], "$database: no revision is lost from the ledger");
	cmp_ok(run_sql($node, $database, 'SELECT wearables.revision()'), '>=', $revision, "$database: the revision is not lower");
}

# Life goes on.
my $tuples = q{SELECT md5(string_agg(t.ctid::text || t.xmin, ' ' ORDER BY t.ctid)) FROM wearables.%s t};
for my $database (@made)
{
	run_sql($node, $database, 'VACUUM FREEZE');
	my %tuples = map { $_ => run_sql($node, $database, sprintf $tuples, $_) } qw(sample_points summaries connections);
	is(run_sql($node, $database, q{SELECT r.failed, r.inserted, r.changed, r.confirmed, r.removed, r.unchanged > 100
		FROM (SELECT (wearables.replay(event_id)).* FROM wearables.webhook_events WHERE status <> 'received') r}), '1|0|0|0|0|t',
		"$database: a replay of everything finds everything");
	is(run_sql($node, $database, sprintf $tuples, $_), $tuples{$_}, "$database: and writes no row of $_") for sort keys %tuples;

	my ($old_id, $old_body) = @{ $sent{'pulse'} };
	is(deliver($node, $database, $old_id, $old_body), 'refused', "$database: without its secret it refuses");
	$node->safe_psql($database, "SELECT wearables.set_secret('junction', 'webhook', 0, '" . secret() . "')");
	is(deliver($node, $database, $old_id, $old_body), 'duplicate', "$database: a duplicate is still one");
	is(run_sql($node, $database, "SELECT e.message_id FROM wearables.deliveries d JOIN wearables.webhook_events e USING (event_id) WHERE d.message_id = '$old_id' AND d.received_at = e.received_at"),
		$old_id, "$database: of the same event");

	my $ids = 'SELECT (SELECT max(user_id) FROM wearables.users), (SELECT max(event_id) FROM wearables.webhook_events), (SELECT max(mapping_id) FROM wearables.mappings), '
	  . "(SELECT max(metric_id) FROM wearables.metrics), (SELECT max(source_id) FROM wearables.sources), (SELECT max(job_id) FROM wearables.jobs), "
	  . '(SELECT max(connection_event_id) FROM wearables.connection_events), (SELECT max(backfill_id) FROM wearables.backfills)';
	my @ids = split /\|/, run_sql($node, $database, $ids);
	my $ms = ($now - 600) * 1000;
	run_sql($node, $database, join '', "SELECT wearables.register_user('erin', 'ext-erin', 'junction');\n",
		"INSERT INTO wearables.metrics (name, unit) VALUES ('steps_of_ours', '1');\nINSERT INTO wearables.resources (name, kind) VALUES ('steps_of_ours', 'timeseries');\n",
		"INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('steps_of_ours', 'steps_of_ours', '{value}');\n",
		receive_sql(message_id($ms, 1), samples_event('erin', 'steps_of_ours', 'brand_new', 'phone', [ $now, 5 ])),
		receive_sql(message_id($ms, 2), connection_event('erin', 'created', 'brand_new')),
		receive_sql(message_id($ms, 3), $sent{history}[1] =~ s/oura/brand_new/r), 'CALL wearables.drain();',
		receive_sql(message_id($ms, 4), connection_event('erin', 'created', 'brand_new')),
		q{INSERT INTO wearables.backfills (user_id, endpoint, external_user_id, provider, resource, range_from, range_to, intent, state)
		  SELECT u.user_id, 'junction', 'ext-erin', 'oura', 'sleep', '2025-01-01', '2025-02-01', 'requested', 'done' FROM wearables.users u WHERE u.client_user_id = 'erin';});
	my @new_ids = split /\|/, run_sql($node, $database, $ids);
	is_deeply([ grep { $new_ids[$_] <= $ids[$_] } 0 .. $#ids ], [], "$database: ids go on without a collision");
	is(run_sql($node, $database, q{SELECT metric, value, provider FROM wearables.samples JOIN wearables.users USING (user_id) WHERE client_user_id = 'erin'}),
		'steps_of_ours|5|brand_new', "$database: new events are worked on");
	is(run_sql($node, $database, sprintf q{SELECT value FROM wearables.samples JOIN wearables.users USING (user_id)
		WHERE client_user_id = 'alice' AND metric = 'heartrate' AND channel = 'timeseries' AND ts = to_timestamp(%d)}, $now), 61, "$database: so is what was in the queue");
	run_sql($node, $database, "SELECT wearables.register_user('dave', 'ext-dave', 'junction'); CALL wearables.drain();");
	is(run_sql($node, $database, "SELECT status FROM wearables.webhook_events WHERE message_id = '$sent{stranger}[0]'"),
		'processed', "$database: a parked event is freed");
	cmp_ok(make_partitions($node, $database), '>', 0, "$database: partitions are made");
	is(run_sql($node, $database, q{SELECT count(*) FROM wearables.webhook_events_default WHERE received_at < now() + interval '21 days'}), 0,
		"$database: and take their rows from the default partition");
	is(run_sql($node, $database, 'UPDATE wearables.mappings SET enabled = true WHERE mapping_id = 9 RETURNING origin'), 'changed',
		"$database: a shipped row is known as changed");
}
like($of_catalog{doors}, qr/webhook_sandbox\(bytea\).*\|x$/ms, 'a door of an endpoint was there');
is(run_sql($node, 'plain', 'DROP EXTENSION wearables_ingest CASCADE'), '', 'a restored extension can be dropped');
is(run_sql($node, 'plain', q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'webhook%'}), 0, 'and takes the doors with it');

# A worker is there already, and looks at each thing as soon as it is back.
$node->safe_psql('postgres', 'CREATE DATABASE live');
$node->append_conf('postgresql.conf', "wearables_ingest.databases = 'live'\nwearables_ingest.naptime = 1");
$node->reload;
my @list = split /\n/, quietly('pg_restore, the list', 'pg_restore', '-l', "$dir/app.dump");
my @rest = grep { !/^;/ && !/ EXTENSION / } @list;

sub restore_listed
{
	my ($what, @lines) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlink "$dir/list";
	append_to_file("$dir/list", join "\n", @lines, '');
	quietly($what, 'pg_restore', '--exit-on-error', '-L', "$dir/list", '-d', $node->connstr('live'), "$dir/app.dump");
	return;
}
restore_listed('with a worker: the extension', grep { / EXTENSION - / } @list);
wait_until($node, 'live', q{SELECT wearables_internal.worker_count() = 1}, 'a worker is there');
my $looked = run_sql($node, 'live', 'SELECT clock_timestamp()');
wait_until($node, 'live', qq{SELECT state = 'idle' AND state_change > '$looked' FROM pg_stat_activity
	WHERE datname = current_database() AND backend_type = 'wearables_ingest worker'}, 'and has looked');
restore_listed('with a worker: all but the events', grep { !/ TABLE DATA wearables webhook_events_/ } @rest);
wait_until($node, 'live', q{SELECT attempt > 0 FROM wearables.jobs WHERE state <> 'failed'}, 'the worker misses an event');
restore_listed('with a worker: the events', grep { / TABLE DATA wearables webhook_events_/ } @rest);
wait_until($node, 'live', q{SELECT count(*) = 0 FROM wearables.jobs WHERE state <> 'failed'}, 'and finds it when it is there');
is(run_sql($node, 'live', sprintf q{SELECT value FROM wearables.samples WHERE ts = to_timestamp(%d) AND metric = 'heartrate'}, $now), 61,
	'its sample is there');
is_deeply(rows('live', $_), $rows{$_}, "with a worker: the same rows of $_") for qw(summaries connection_events deliveries parked_events quarantine mappings metrics);

$node->stop;
done_testing();
