# ALTER EXTENSION UPDATE: a release brings rows; what users added or changed stays theirs.
use strict;
use warnings FATAL => 'all';
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('update', "wearables_ingest.databases = 'app'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app', 'alice');

# What a release's script does, as src/README.md tells it.
my $script = <<'SQL';
\echo Use "ALTER EXTENSION wearables_ingest UPDATE" to load this file. \quit
ALTER TABLE wearables.metrics DISABLE TRIGGER mark_origin;
ALTER TABLE wearables.metrics DISABLE TRIGGER restore_in_place;
ALTER TABLE wearables.units DISABLE TRIGGER mark_origin;
ALTER TABLE wearables.mappings DISABLE TRIGGER mark_origin;
UPDATE wearables.mappings SET value_fields = '{level,value}' WHERE mapping_id = 1 AND origin = 'shipped';
UPDATE wearables.mappings SET value_fields = '{hr_resting}' WHERE mapping_id = 7 AND origin = 'shipped';
UPDATE wearables.metrics SET highest = 300 WHERE name = 'heartrate' AND origin = 'shipped';
UPDATE wearables.metrics SET highest = 500 WHERE name = 'hrv_rmssd' AND origin = 'shipped';
INSERT INTO wearables.metrics (metric_id, name, unit, origin) VALUES (9001, 'grip_strength', 'N', 'shipped'), (9002, 'stride', 'cm', 'shipped') ON CONFLICT DO NOTHING;
INSERT INTO wearables.resources (name, kind, origin) VALUES ('grip_strength', 'timeseries', 'shipped'), ('stride', 'timeseries', 'shipped') ON CONFLICT DO NOTHING;
INSERT INTO wearables.units (metric, text, factor, origin) VALUES ('stride', 'm', 100, 'shipped') ON CONFLICT DO NOTHING;
INSERT INTO wearables.mappings (mapping_id, resource, metric, value_fields, unit_field, origin)
VALUES (9001, 'grip_strength', 'grip_strength', '{force}', 'unit', 'shipped'), (9002, 'stride', 'stride', '{value}', 'unit', 'shipped') ON CONFLICT DO NOTHING;
ALTER TABLE wearables.mappings ENABLE TRIGGER mark_origin;
ALTER TABLE wearables.units ENABLE TRIGGER mark_origin;
ALTER TABLE wearables.metrics ENABLE TRIGGER restore_in_place;
ALTER TABLE wearables.metrics ENABLE TRIGGER mark_origin;
NOTIFY pgrst, 'reload schema';
SQL

sub extension_dir
{
	my ($root) = $ENV{WEARABLES_CONF} =~ /extension_destdir = '([^']*)'/;
	my $share = $node->config_data('--sharedir');
	return "$root$share/extension" if defined $root;
	my ($path) = $ENV{WEARABLES_CONF} =~ /extension_control_path = '([^':]*)/;
	return "$path/extension";
}

my $version = $node->safe_psql('app', q{SELECT extversion FROM pg_extension WHERE extname = 'wearables_ingest'});
my $file = extension_dir() . "/wearables_ingest--$version--next.sql";
append_to_file($file, $script);

# What the users of this database made of the rows.
run_sql($node, 'app', <<'SQL');
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
UPDATE wearables.metrics SET highest = 350 WHERE name = 'heartrate';
INSERT INTO wearables.resources (name, kind) VALUES ('grip_strength', 'timeseries');
INSERT INTO wearables.metrics (name, unit) VALUES ('grip_strength', 'kg');
INSERT INTO wearables.units (metric, text, factor) VALUES ('grip_strength', 'lb', 0.45359237);
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field) VALUES ('grip_strength', 'grip_strength', '{value}', 'unit');
SQL
my $theirs = join ' UNION ALL ', map { "SELECT '$_', t::text FROM wearables.$_ t WHERE origin <> 'shipped'" } qw(metrics units resources mappings known_fields);
my $before = run_sql($node, 'app', "$theirs ORDER BY 1, 2");
my $revision = run_sql($node, 'app', 'SELECT wearables.revision()');

my $now = time - time % 60;
is(deliver($node, 'app', message_id(($now - 100) * 1000, 1), samples_event('alice', 'heartrate', 'garmin', 'watch', [ $now - 600, 61 ])),
	'accepted', 'a delivery before the update');
queue_is_empty($node, 'app', 'which the worker handles');

$node->safe_psql('app', q{ALTER EXTENSION wearables_ingest UPDATE TO 'next'});
is($node->safe_psql('app', q{SELECT extversion FROM pg_extension WHERE extname = 'wearables_ingest'}), 'next', 'updated');
unlink $file;

is(run_sql($node, 'app', "$theirs ORDER BY 1, 2"), $before, q{the users' rows are as they were});
cmp_ok(run_sql($node, 'app', 'SELECT wearables.revision()'), '>', $revision, 'the revision has moved');
is(run_sql($node, 'app', q{SELECT value_fields, origin FROM wearables.mappings WHERE mapping_id = 1}), '{level,value}|shipped', 'a shipped row follows the release');
is(run_sql($node, 'app', q{SELECT highest, origin FROM wearables.metrics WHERE name = 'hrv_rmssd'}), '500|shipped', 'a shipped metric, too');
is(run_sql($node, 'app', q{SELECT value_fields, origin FROM wearables.mappings WHERE mapping_id = 7}), '{hr_average}|changed', 'a row that was changed here does not');
is(run_sql($node, 'app', q{SELECT unit, origin FROM wearables.metrics WHERE name = 'grip_strength'}), 'kg|user', 'nor one that was here before the release had it');

# The worker follows without a restart.
my $stride = to_json({ event_type => 'daily.data.stride.created', user_id => 'ext-alice', client_user_id => 'alice',
		data => { source => { provider => 'garmin', type => 'watch' }, data => [ { timestamp => rfc3339($now), value => 0.8, unit => 'm' } ] } });
deliver($node, 'app', message_id(($now - 90) * 1000, 2), $stride);
my $level = to_json({ event_type => 'daily.data.heartrate.created', user_id => 'ext-alice', client_user_id => 'alice',
		data => { source => { provider => 'garmin', type => 'watch' }, data => [ { timestamp => rfc3339($now), level => 62, value => 1 } ] } });
deliver($node, 'app', message_id(($now - 80) * 1000, 3), $level);
queue_is_empty($node, 'app', 'deliveries after the update are handled');
is(run_sql($node, 'app', 'SELECT metric, value, unit FROM wearables.samples ORDER BY 1, 2'),
	"heartrate|61|/min\nheartrate|62|/min\nstride|80|cm", 'by the rows of the release');

# A dump of the updated database holds the users' rows and not the release's.
my $dump = "$PostgreSQL::Test::Utils::tmp_check/updated.sql";
command_ok([ $node->installed_command('pg_dump'), '-d', $node->connstr('app'), '-f', $dump ], 'pg_dump');
my $text = slurp_file($dump);
like($text, qr/\bgrip_strength\tlb\t/, q{a user's unit is in the dump});
unlike($text, qr/\bstride\tm\t/, q{a release's is not});

$node->stop;
done_testing();
