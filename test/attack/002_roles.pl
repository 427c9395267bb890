# What roles tried on a site: each attack runs as the role that would run it, and each is found by the catalog, so that
# the file runs against any version of the extension.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('roles', "wearables_ingest.databases = ''", 'restart_after_crash = on', 'max_prepared_transactions = 5', "statement_timeout = '60s'");
$node->start;
my $mallory = hostile_name();
my $m = quoted($mallory);

# A default privilege of the site's, before the extension comes: everybody in readonly reads what is made.
run_sql($node, 'postgres', "CREATE ROLE readonly LOGIN; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO readonly; CREATE ROLE $m LOGIN; GRANT TEMP ON DATABASE postgres TO $m");
install($node, 'postgres', 'alice', 'bob');
run_sql($node, 'postgres', 'SELECT wearables.grant_access(' . literal($m) . "::regrole, 'operator')");

run_sql($node, 'postgres', 'GRANT USAGE ON SCHEMA wearables TO readonly');

# A database that no other attack has been at.
sub new_site
{
	my ($name) = @_;
	run_sql($node, 'postgres', "CREATE DATABASE $name");
	install($node, $name, 'alice', 'bob');
	run_sql($node, $name, 'SELECT wearables.grant_access(' . literal($m) . "::regrole, 'operator')");
	return $name;
}

# What is done to a role that tried: the name of whatever made it a superuser.
sub is_harmless
{
	my ($what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(as_role($node, 'postgres', 'postgres', 'SELECT rolsuper FROM pg_roles WHERE rolname = ' . literal($mallory))->{out}, 'f', "$what makes nobody a superuser");
	run_sql($node, 'postgres', "ALTER ROLE $m NOSUPERUSER");
	return;
}

sub function_named { my ($name) = @_; return run_sql($node, 'postgres', "SELECT oid::regproc FROM pg_proc WHERE proname = '$name'"); }

sub tables { return run_sql($node, 'postgres', 'SELECT (SELECT count(*) FROM wearables.mappings), (SELECT count(*) FROM wearables.revisions), (SELECT count(*) FROM wearables.known_fields), (SELECT count(*) FROM wearables.units)'); }

my @triggers = split /\n/, run_sql($node, 'postgres', q{
SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname LIKE 'wearables%' AND p.prorettype = 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar @triggers, '>=', 5, 'there are trigger functions: ' . join ' ', @triggers);

# 1. A trigger function on a table of the attacker's: a column of his own type, whose cast to json runs as the owner.
# The second time, somebody has granted all of the schemas.
my $evil = sprintf q{
CREATE TYPE pg_temp.evil AS ENUM ('x');
CREATE FUNCTION pg_temp.cast_evil(pg_temp.evil) RETURNS json LANGUAGE plpgsql AS $$
BEGIN EXECUTE %s; RETURN '{}'; EXCEPTION WHEN insufficient_privilege THEN RETURN '{}'; END $$;
CREATE CAST (pg_temp.evil AS json) WITH FUNCTION pg_temp.cast_evil(pg_temp.evil);
}, literal("ALTER ROLE $m SUPERUSER");

for my $round ('as granted', 'with everything granted')
{
	my $before = tables();
	for my $trigger (@triggers)
	{
		my $function = function_named($trigger);
		for my $table (qw(own mappings revisions units known_fields metrics resources endpoints endpoint_secrets samples sources))
		{
			my $run = as_role($node, 'postgres', $mallory, $evil . qq{
CREATE TEMP TABLE $table (origin text DEFAULT 'shipped', e pg_temp.evil DEFAULT 'x', mapping_id integer, metric_id integer, revision bigint DEFAULT 1, resource text, provider text,
  metric text DEFAULT 'heartrate', name text, text text, path text, kind text, user_id point DEFAULT '(1,1)', ts box, value path, value_fields text[], instant_fields text[],
  secondary_field text, end_field text, unit_field text, base_field text, unused_since timestamptz, floating_time boolean);
INSERT INTO pg_temp.$table (mapping_id, metric_id, revision) SELECT i, i, i FROM generate_series(1, 200) i;
CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON pg_temp.$table FOR EACH ROW EXECUTE FUNCTION $function();
CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON pg_temp.$table FOR EACH ROW EXECUTE FUNCTION $function();
CREATE TRIGGER s BEFORE INSERT ON pg_temp.$table FOR EACH STATEMENT EXECUTE FUNCTION $function();
CREATE TRIGGER t BEFORE TRUNCATE ON pg_temp.$table FOR EACH STATEMENT EXECUTE FUNCTION $function();
INSERT INTO pg_temp.$table (mapping_id, metric_id, revision) SELECT i, i, i FROM generate_series(1, 200) i;
UPDATE pg_temp.$table SET origin = 'changed';
DELETE FROM pg_temp.$table;
TRUNCATE pg_temp.$table;
CREATE VIEW pg_temp.v AS SELECT * FROM pg_temp.$table;
CREATE TRIGGER i INSTEAD OF INSERT ON pg_temp.v FOR EACH ROW EXECUTE FUNCTION $function();
INSERT INTO pg_temp.v (mapping_id, metric_id) VALUES (1, 1);
SELECT $function();
});
			my @odd = grep { !/^(42501|39P01|0A000|42P17|42809|42703|25P02)$/ } @{ $run->{states} };
			ok($run->{err} =~ /42501|39P01/ && !@odd, "$trigger on a temporary table $table, $round: refused") or diag $run->{err};
		}
	}
	is(restart_count($node), 0, "no session of the server went down, $round");
	is_harmless("a cast in a row of a trigger, $round");
	is(tables(), $before, "no row of the parser went, $round");
	run_sql($node, 'postgres', join '', map { "GRANT USAGE ON SCHEMA $_ TO $m; GRANT EXECUTE ON ALL ROUTINES IN SCHEMA $_ TO $m;" }
		split /\n/, run_sql($node, 'postgres', q{SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wearables%'}));
}
run_sql($node, 'postgres', join '', map { "REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA $_ FROM $m;" }
	split /\n/, run_sql($node, 'postgres', q{SELECT nspname FROM pg_namespace WHERE nspname LIKE 'wearables%'}));
run_sql($node, 'postgres', 'SELECT wearables.grant_access(' . literal($m) . "::regrole, 'operator')");

# 2. The triggers of the view, one of them out of order.
for my $trigger (qw(insert_samples_begin insert_samples_row insert_samples_end))
{
	run_sql($node, 'postgres', "UPDATE pg_trigger SET tgenabled = 'D' WHERE tgname = '$trigger'");
	my $run = as_role($node, 'postgres', $mallory, q{INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', now(), 60);} x 2 . "\nSELECT 'alive'");
	is($run->{out}, 'alive', "INSERT without $trigger leaves the session alive") or diag $run->{err};
	run_sql($node, 'postgres', "UPDATE pg_trigger SET tgenabled = 'O' WHERE tgname = '$trigger'");
}
is(restart_count($node), 0, 'and the server');

# Functions of the extension that SQL can reach, with arguments nobody thought of.
{
	my %extremes = (
		bigint => [qw(9223372036854775807 -9223372036854775808 0)], integer => [qw(2147483647 -2147483648 0)], smallint => [qw(32767 -32768 0)],
		text => [ '', '../../etc/passwd', 'x' x 100_000 ], bytea => [ '', '\x00', '\x' . 'ff' x 100_000 ],
		jsonb => [ '{}', '[[[]]]', '{"svix-id": [null, {"a": 1}]}' ], json => [ '{}', '[[[]]]', '[' x 3000 . ']' x 3000 ],
		'timestamp with time zone' => [ 'infinity', '-infinity', '4713-01-01 BC' ], 'timestamp without time zone' => [ 'infinity', '-infinity', '4713-01-01 BC' ],
		interval => [ '178000000 years', '-178000000 years', '-1 microsecond' ], boolean => [qw(t f t)], 'text[]' => [ '{}', '{NULL,""}', '{{a,b},{c,d}}' ]);
	my @calls;
	for my $line (split /\n/, run_sql($node, 'postgres', q{
SELECT concat_ws('|', p.pronamespace::regnamespace || '.' || quote_ident(p.proname), (SELECT string_agg(t.type::regtype::text, '|' ORDER BY t.n) FROM unnest(p.proargtypes) WITH ORDINALITY t (type, n)))
FROM pg_proc p WHERE p.pronamespace::regnamespace::text LIKE 'wearables%' AND p.prokind = 'f' AND 'internal'::regtype <> ALL (p.proargtypes)
  AND p.prorettype <> 'trigger'::regtype AND p.proname <> 'grant_access' ORDER BY 1}))
	{
		my ($function, @types) = split /\|/, $line;
		for my $i (0 .. 2)
		{
			push @calls, "SELECT $function(" . join(', ', map { $extremes{$_} ? literal($extremes{$_}[$i]) . "::$_" : "NULL::$_" } @types) . ');';
		}
	}
	cmp_ok(scalar @calls, '>', 90, 'there is enough to call: ' . @calls);
	my $run = as_role($node, 'postgres', 'postgres', join '', map { "BEGIN; SET LOCAL statement_timeout = '20s'; $_ ROLLBACK;\n" } @calls);
	is(restart_count($node), 0, scalar(@calls) . ' calls with extreme arguments crash nothing');
	is(scalar(grep { $_ eq '57014' || /^XX/ } @{ $run->{states} }), 0, 'and end soon, with an error of their own') or diag join "\n", grep { /57014|XX\d\d\d/ } split /\n(?=psql)/, $run->{err};
}

# 3. Whatever lock a session of a login role can take, the workers go on.
{
	my $session = IPC::Run::start([ $node->installed_command('psql'), '-XAtq', '-U', $mallory, '-d', $node->connstr('postgres'), '-c',
			q{SELECT pg_advisory_lock(hashtextextended('wearables.make_event_partitions', 0)), pg_sleep(600)} ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');
	wait_until($node, 'postgres', q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND granted}, 'an outsider holds the lock');
	my $made = as_role($node, 'postgres', 'postgres', q{SET statement_timeout = '5s'; SELECT wearables.make_event_partitions() IS NOT NULL});
	is($made->{out}, 't', 'it does not stop the maintenance') or diag $made->{err};
	run_sql($node, 'postgres', q{SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'});
	$session->finish;
	deliver($node, 'postgres', message_id(1_700_000_000_000, 'lock'), samples_event('alice', 'heartrate', 'garmin', 'watch', [ 1_700_000_000, 60 ]));
	my $locks = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND objsubid IN (1, 2)};
	for my $doing ('SELECT wearables.replay(event_id) FROM wearables.webhook_events', 'SELECT wearables.make_event_partitions()', 'SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events',
		q{INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', now(), 60)}, q{SELECT wearables.register_user('lock')})
	{
		is((split /\n/, run_sql($node, 'postgres', "BEGIN; $doing; $locks"))[-1], 0, "no lock that SQL can take is used by $doing");
	}
}

# 6. What default privileges gave, before and after.
make_partitions($node, 'postgres', "'28 days'");
for my $table (split /\n/, run_sql($node, 'postgres', q{SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace::regnamespace::text LIKE 'wearables%' AND c.relkind IN ('r', 'p', 'v') ORDER BY 1}))
{
	is(as_role($node, 'postgres', 'readonly', "SELECT FROM $table")->{states}[0], '42501', "readonly does not read $table");
}

# 7. Texts of a sender's in a statement that a superuser is told to run.
{
	my $site = new_site('texts');
	my @hostile = ("x */ 1); ALTER ROLE $m SUPERUSER; --", "x'); ALTER ROLE $m SUPERUSER; --", "x\\'); ALTER ROLE $m SUPERUSER; --", "x\n; ALTER ROLE $m SUPERUSER;\n", "\$\$; ALTER ROLE $m SUPERUSER; --", "%s %L :x :'x'");
	my $n = 0;
	for my $text (@hostile)
	{
		my $one = { timestamp => rfc3339(1_700_000_000 + ++$n), value => 1, $text => 1 };
		deliver($node, $site, message_id(1_700_000_000_000 + 8 * $n, 'drift'),
			to_json({ event_type => 'daily.data.heartrate.created', user_id => 'ext-alice', client_user_id => 'alice',
				data => { source => { provider => 'p', type => $text }, data => [ $one, { %$one, unit => $text } ] } }));
		deliver($node, $site, message_id(1_700_000_000_000 + 8 * $n, 'resource'),
			to_json({ event_type => "daily.data.$text.created", user_id => 'ext-alice', client_user_id => 'alice', data => { data => [] } }));
	}
	# and an operator's own: the unit of a metric
	as_role($node, $site, $mallory, sprintf q{
INSERT INTO wearables.metrics (name, unit) VALUES ('evil', %s); INSERT INTO wearables.resources (name, kind) VALUES ('evil', 'timeseries');
INSERT INTO wearables.mappings (resource, metric, value_fields, unit_field) VALUES ('evil', 'evil', '{value}', 'unit');}, literal($hostile[0]));
	deliver($node, $site, message_id(1_700_000_050_000, 'unit'), to_json({ event_type => 'daily.data.evil.created', user_id => 'ext-alice', client_user_id => 'alice',
		data => { source => { provider => 'p' }, data => [ { timestamp => rfc3339(1_700_000_000), value => 1, unit => 'furlong' } ] } }));
	run_sql($node, $site, 'CALL wearables.drain()');
	my @remedies = split /\x1e/, run_sql($node, $site, q{SELECT string_agg(remedy, chr(30)) FROM wearables.drift});
	cmp_ok(scalar @remedies, '>', @hostile, 'there are remedies of hostile names: ' . @remedies);
	for my $escape (qw(on off))
	{
		as_role($node, $site, 'postgres', "SET standard_conforming_strings = $escape;\n$_\n") for @remedies;
		is_harmless("a remedy, standard_conforming_strings $escape,");
	}
}

# Names of endpoints, which become names of functions that run as the owner.
{
	my $site = new_site('doors');
	run_sql($node, $site, q{CREATE ROLE mal LOGIN; SELECT wearables.grant_access('mal', 'operator')});
	my @hostile = map { sprintf $_, 'ALTER ROLE mal SUPERUSER;' } q{x'; %s --}, q{x"(bytea); %s --}, q{x\\'; %s --}, q{x$f$; %s --}, q{x$$; %s --}, q{x(json); %s --%%L %%1$I %%s}, "x\n; %s\n", q{x'::text, $1); %s END; --};
	my $doors = q{SELECT count(DISTINCT proname) FROM pg_proc WHERE pronamespace = 'wearables_api'::regnamespace AND starts_with(proname, 'webhook_')};
	my $expose = join "\n", map { 'SELECT wearables.expose_endpoint(' . literal($_) . "::text);\nSELECT wearables.expose_endpoint(" . literal($_) . '::text, true);' } @hostile;
	my $run = as_role($node, $site, 'mal', join "\n", 'SET standard_conforming_strings = on;', map({ 'SELECT wearables.add_endpoint(' . literal($_) . ');' } @hostile), $expose);
	is_deeply([ sort keys %{ { map { $_ => 1 } @{ $run->{states} } } } ], [qw(23514 42704)], 'such an endpoint cannot be added, and what is not there has no door');
	is(run_sql($node, $site, $doors), 0, 'so there is none');
	# and if somebody has taken the check away
	run_sql($node, $site, join "\n", 'ALTER TABLE wearables.endpoints DROP CONSTRAINT endpoints_name_check;', map { 'INSERT INTO wearables.endpoints (name) VALUES (' . literal($_) . ');' } @hostile);
	for my $escape (qw(on off))
	{
		$run = as_role($node, $site, 'mal', "SET standard_conforming_strings = on; SET backslash_quote = on; ALTER ROLE mal SET standard_conforming_strings = $escape;\n$expose");
		is($run->{err}, '', "doors of hostile names are made, standard_conforming_strings $escape");
	}
	is(run_sql($node, $site, $doors), scalar @hostile, 'one for each, of its name');
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.endpoints e WHERE e.name NOT LIKE 'junction' AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.proname = 'webhook_' || e.name COLLATE "C" AND p.proowner = 10)}), 0, 'and of the owner');
	$run = as_role($node, $site, 'mal', q{SELECT format('SELECT wearables_api.%I(''{}''::json) ->> ''status'';', proname) FROM pg_proc WHERE pronamespace = 'wearables_api'::regnamespace AND proargtypes = '114' AND starts_with(proname, 'webhook_') \gexec});
	is($run->{err} . $run->{out}, join("\n", ('refused') x @hostile), 'each refuses what is not signed') or diag $run->{err};
	my $taken = as_role($node, $site, 'mal', q{CREATE FUNCTION wearables_api.webhook_mine(bytea) RETURNS json LANGUAGE sql AS 'SELECT NULL::json'; DELETE FROM wearables.endpoints; DROP FUNCTION wearables_api.webhook(json);});
	is_deeply($taken->{states}, [qw(42501 42501 42501)], 'nobody but the owner makes or drops one by hand');
	run_sql($node, $site, q{DELETE FROM wearables.endpoints WHERE name <> 'junction'});
	is(run_sql($node, $site, $doors), 0, 'with the endpoints all of them go');
	is(run_sql($node, $site, q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mal'}), 'f', 'and nobody has become a superuser');
}

# 8. Row-level security of the site's binds whatever reads.
{
	my $site = new_site('policies');
	run_sql($node, $site, q{
CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
SELECT wearables.grant_access('alice', 'reader'), wearables.grant_access('bob', 'reader');
CREATE POLICY own ON wearables.sample_points USING (user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = current_user));
CREATE POLICY own ON wearables.summaries USING (user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = current_user));
CREATE POLICY own ON wearables.connections USING (user_id = (SELECT user_id FROM wearables.users WHERE client_user_id = current_user));
CREATE POLICY own ON wearables.users USING (client_user_id = current_user);
ALTER TABLE wearables.sample_points ENABLE ROW LEVEL SECURITY; ALTER TABLE wearables.summaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE wearables.connections ENABLE ROW LEVEL SECURITY; ALTER TABLE wearables.users ENABLE ROW LEVEL SECURITY;});
	deliver($node, $site, message_id(1_700_000_100_000, $_), samples_event($_, 'heartrate', 'garmin', 'watch', [ 1_700_000_000, 60 ])) for qw(alice bob);
	deliver($node, $site, message_id(1_700_000_200_000, $_), document_event($_, 'sleep', 'oura', 'ring', { id => "n-$_", bedtime_start => rfc3339(1_699_980_000), bedtime_stop => rfc3339(1_700_000_000), hr_lowest => 48 })) for qw(alice bob);
	deliver($node, $site, message_id(1_700_000_300_000, $_), connection_event($_, 'created', 'garmin')) for qw(alice bob);
	run_sql($node, $site, 'CALL wearables.drain()');
	my $id = run_sql($node, $site, q{SELECT user_id FROM wearables.users WHERE client_user_id = 'bob'});
	run_sql($node, $site, "SELECT wearables.request_backfill($id, '', 'heartrate', '2023-11-14', '2023-11-15')");
	my %reads = ('timeseries()' => "SELECT count(*) FROM wearables.timeseries($id, 'heartrate', '2020-01-01', '2030-01-01')", 'latest()' => "SELECT count(*) FROM wearables.latest($id)",
		'coverage()' => "SELECT count(*) FROM wearables.coverage($id, 'heartrate', '2023-11-14', '2023-11-16')",
		'connection_progress()' => "SELECT count(*) FROM wearables.connection_progress($id)", 'nights()' => "SELECT count(*) FROM wearables.nights($id, '2020-01-01', '2030-01-01')",
		map { $_ => "SELECT count(*) FROM wearables.$_ WHERE user_id = $id" } qw(samples sample_points summaries connections users));
	for my $what (sort keys %reads)
	{
		is(as_role($node, $site, 'alice', $reads{$what})->{out}, 0, "a policy keeps bob from alice in $what");
		cmp_ok(as_role($node, $site, 'bob', $reads{$what})->{out}, '>', 0, "and shows him himself in $what");
	}
	# what coverage() reads of events shows nobody else either
	my $views = "SELECT count(*) FROM wearables_internal.visible_events WHERE user_id = $id";
	is(as_role($node, $site, 'alice', $views)->{out}, 0, 'a policy keeps bob from alice in the views behind it');
	cmp_ok(as_role($node, $site, 'bob', $views)->{out}, '>', 0, 'and show him himself');
	is(as_role($node, $site, 'bob', "SELECT how FROM wearables.coverage($id, 'heartrate', '2023-11-14', '2023-11-15')")->{out}, 'webhook', 'so that he is told what brought his readings');
}

# 15. A transaction that is prepared and rolled back takes its names with it, also from whoever looked them up.
{
	my $site = new_site('phases');
	my $sample = sub { my ($provider, $day) = @_; return "INSERT INTO wearables.samples (user_id, metric, ts, value, provider) VALUES (1, 'heartrate', '$day', 60, '$provider');\n" };
	my $run = as_role($node, $site, 'postgres', join '', "BEGIN;\n", $sample->('rolled back', '2024-01-01'), "PREPARE TRANSACTION 'p';\nROLLBACK PREPARED 'p';\n",
		$sample->('rolled back', '2024-01-01'), "BEGIN;\n", $sample->('committed', '2024-01-02'), "PREPARE TRANSACTION 'p';\nCOMMIT PREPARED 'p';\n",
		$sample->('committed', '2024-01-03'));
	is($run->{err}, '', 'two phases, of INSERTs in one session');
	for my $provider ([ 'rolled back', 1 ], [ 'committed', 2 ])
	{
		is(run_sql($node, $site, "SELECT count(*) FROM wearables.samples WHERE provider = '$provider->[0]'"), $provider->[1], "samples shown after the first was $provider->[0]");
	}
	is(run_sql($node, $site, q{SELECT count(*) FROM wearables.sample_points p WHERE NOT EXISTS (SELECT FROM wearables.sources s WHERE s.source_id = p.source_id)}), 0, 'every sample has a source');
}

# Objects of an attacker's in front of the server's own: nothing that runs as the owner finds them.
{
	run_sql($node, 'postgres', "CREATE SCHEMA hers AUTHORIZATION $m");
	my $trap = join '', map { "CREATE FUNCTION hers.$_ LANGUAGE plpgsql AS \$\$ BEGIN EXECUTE " . literal("ALTER ROLE $m SUPERUSER") . "; RETURN NULL; END \$\$;\n" }
	  ('clock_timestamp() RETURNS timestamptz', 'now() RETURNS timestamptz', 'lower(text) RETURNS text', 'format(text, text) RETURNS text', 'coalesce_equal(text, text) RETURNS boolean', 'length(text) RETURNS integer', 'hashtextextended(text, integer) RETURNS bigint');
	my $run = as_role($node, 'postgres', $mallory, $trap . q{
CREATE OPERATOR hers.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hers.coalesce_equal);
CREATE TEMP TABLE users (user_id bigint, client_user_id text); CREATE TEMP TABLE jobs (); CREATE TEMP TABLE revisions (revision bigint); CREATE TEMP TABLE pg_class (oid oid);
SET search_path = pg_temp, hers, pg_catalog;
SELECT wearables.register_user('trap');
SELECT wearables.add_endpoint('trap', 'junction', 'sandbox');
SELECT wearables.set_secret('trap', 'webhook', 0, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
UPDATE wearables.mappings SET enabled = false WHERE mapping_id = 1;
INSERT INTO wearables.known_fields (resource, path) VALUES ('sleep', 'trap');
INSERT INTO wearables.samples (user_id, metric, ts, value) VALUES (1, 'heartrate', '2024-05-01 08:01Z', 60);
SELECT wearables.requeue_event(event_id) FROM wearables.webhook_events;
CALL wearables.drain();
SELECT wearables.replay(event_id) FROM wearables.webhook_events;
SELECT wearables.replay_preview(event_id) FROM wearables.webhook_events;
SELECT wearables.explain_event(event_id) FROM wearables.webhook_events;
SELECT wearables.make_event_partitions();
SELECT wearables.reclaim_names();
SELECT verdict FROM wearables.health;
});
	is_harmless('a search_path');
	is(restart_count($node), 0, 'nothing has crashed the server');
}

$node->stop;
done_testing();
