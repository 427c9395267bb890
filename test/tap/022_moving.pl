# A database that is moved while a worker is connected: renamed, copied, dropped, dumped in every way that pg_dump knows.
# After each move no row is missing, ids go on, rights are there, and the next delivery is handled.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use Wearables;

my $now = int(time) - int(time) % 60;
my $calls = 0;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $kWorkers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'wearables_ingest worker' AND datname = '%s'};

my $node = make_node('moving', "wearables_ingest.databases = 'app'", 'wearables_ingest.naptime = 3600', 'wearables_ingest.workers = 2');
$node->start;

sub settings
{
	my (@lines) = @_;
	$node->append_conf('postgresql.conf', join "\n", @lines);
	$node->reload;
	return;
}

sub with_workers
{
	my ($database, $on) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($on // $node, 'postgres', sprintf("$kWorkers", $database), "$database has its workers", 2);
}

# A program of the server's, which must end well (or, with $fails, must not); returns what it says in the end.
sub program
{
	my ($what, $fails, @command) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ $node->installed_command(shift @command), @command ], '<', \undef, '>', \$out, '2>', \$err);
	if ($fails) { ok(!$ok, $what) }
	else { ok($ok, $what); is($err, '', "$what: without a word") }
	return $fails ? $err : $out;
}

sub reading
{
	my ($user, @samples) = @_;
	my $n = ++$calls;
	return receive_sql(message_id(($now - 3600) * 1000 + 4 * $n, "reading $n"), samples_event($user, 'heartrate', 'garmin', 'watch', @samples));
}

# What a site has beside the data: its roles, default privileges, settings, a policy, rows of its own.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE site_reader; CREATE ROLE chart; CREATE ROLE watcher;
CREATE DATABASE app;
ALTER DATABASE app SET timezone = 'Asia/Kolkata';
ALTER ROLE chart IN DATABASE app SET statement_timeout = '7s';
SQL
$node->safe_psql('app', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO site_reader');
install($node, 'app', 'alice', 'bob');
with_workers('app');
run_sql($node, 'app', <<'SQL');
SELECT wearables.grant_access('chart', 'reader'), wearables.grant_access('watcher', 'monitor');
CREATE POLICY of_the_site ON wearables.users FOR SELECT TO chart USING (client_user_id <> 'bob');
ALTER TABLE wearables.users ENABLE ROW LEVEL SECURITY;
INSERT INTO wearables.metrics (name, unit) VALUES ('mood', '1');
INSERT INTO wearables.units (metric, text, factor) VALUES ('mood', 'percent', 0.01);
INSERT INTO wearables.resources (name, kind) VALUES ('mood', 'timeseries');
INSERT INTO wearables.mappings (resource, metric, value_fields) VALUES ('mood', 'mood', '{value}');
UPDATE wearables.mappings SET value_fields = '{hr_average}' WHERE resource = 'sleep' AND metric = 'heartrate';
CREATE TABLE public.of_the_site (id integer PRIMARY KEY, note text);
INSERT INTO public.of_the_site SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n;
SQL
run_sql($node, 'app', join '', map { reading($_, map { [ $now - 60 * $_, 60 + $_ % 40 ] } 1 .. 50) } ('alice', 'bob') x 20);
run_sql($node, 'app', receive_sql(message_id(($now - 3600) * 1000, 'night'), document_event('alice', 'sleep', 'oura', 'ring',
			{ id => 'night-1', bedtime_stop => rfc3339($now - 86400), hr_lowest => 48, hr_average => 60 })));
run_sql($node, 'app', receive_sql(message_id(($now - 3600) * 1000, 'link'), connection_event('alice', 'created', 'garmin')));
run_sql($node, 'app', receive_sql(message_id(($now - 3600) * 1000, 'stranger'), samples_event('carol', 'heartrate', 'garmin', 'watch', [ $now, 50 ])));
queue_is_empty($node, 'app', 'all of it is handled');

# Rows of all tables, the partitions by their parent; not the secrets, and not the ledger of changes, to which a restore adds.
my @tables = split /\n/, run_sql($node, 'app', q{SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'wearables'::regnamespace
	AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname NOT IN ('endpoint_secrets', 'revisions', 'endpoint_activity') ORDER BY 1});
# A worker may have looked for unused names while their rows were there and those that use them were not.
my %row = (map { ("wearables.$_" => "(to_jsonb(t) - 'unused_since')::text") } qw(sources metrics));
my $kRows = join ' UNION ALL ', map { my $row = $row{$_} // 't::text'; "SELECT '$_', count(*), md5(string_agg($row, ' ' ORDER BY $row COLLATE \"C\")) FROM $_ t" } @tables;
my %kept = (
	'rows' => $kRows,
	'rows of the site' => q{SELECT count(*), md5(string_agg(t::text, ' ' ORDER BY id)) FROM public.of_the_site t},
	'rights' => q{SELECT c.oid::regclass, a.grantee::regrole, a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.relnamespace = 'wearables'::regnamespace AND a.grantee <> c.relowner ORDER BY c.oid::regclass::text COLLATE "C", 2, 3},
	'default privileges' => q{SELECT a.grantee::regrole, a.privilege_type FROM pg_default_acl d, aclexplode(d.defaclacl) a ORDER BY 1, 2},
	'policies' => q{SELECT p.polrelid::regclass, p.polname, c.relrowsecurity FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid},
	'event triggers' => q{SELECT evtname, evtevent, evtenabled, evttags, evtfoid::regproc FROM pg_event_trigger},
	'partitions' => q{SELECT inhrelid::regclass, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
		WHERE inhparent = 'wearables.webhook_events'::regclass ORDER BY c.relname},
	'identity columns' => q{SELECT attrelid::regclass, attname, attidentity FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
		WHERE attidentity <> '' AND relnamespace = 'wearables'::regnamespace ORDER BY c.relname},
	'members' => q{SELECT pg_describe_object(classid, objid, 0) FROM pg_depend WHERE deptype = 'e' AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'wearables_ingest') ORDER BY 1});

# In one time zone: a setting of the database is not copied with it.
sub looked_at
{
	my ($on, $database, $query) = @_;
	return run_sql($on, $database, "SET timezone = 'UTC';\n$query");
}


my %were = map { $_ => looked_at($node, 'app', $kept{$_}) } keys %kept;
like($were{rows}, qr/sample_points\|\d{2,}/, 'there are samples to move');
my $were_settings = run_sql($node, 'app', q{SELECT string_agg(unnest, ' ' ORDER BY 1) FROM pg_db_role_setting s, unnest(s.setconfig)});
my $kIds = 'SELECT (SELECT max(user_id) FROM wearables.users), (SELECT max(event_id) FROM wearables.webhook_events), '
  . '(SELECT max(connection_event_id) FROM wearables.connection_events), (SELECT max(mapping_id) FROM wearables.mappings)';
my $kMappings = q{SELECT string_agg(mapping_id || ' ' || value_fields::text || origin, ' ' ORDER BY mapping_id) FROM wearables.mappings WHERE origin <> 'shipped'};
my $were_mappings = run_sql($node, 'app', $kMappings);
my @were_ids = split /\|/, run_sql($node, 'app', $kIds);

# The whole of what a move has to keep; %option: on (a server), except (what this way of moving does not carry),
# worker (one is to handle what arrives; else it is drained), secret (it came along).
sub is_moved
{
	my ($database, %option) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $on = $option{on} // $node;
	my %except = map { $_ => 1 } @{ $option{except} // [] };
	is(looked_at($on, $database, $kept{$_}), $were{$_}, "$database: the same $_") for grep { !$except{$_} } sort keys %kept;
	if (!$option{secret})
	{
		like(run_sql($on, $database, 'SELECT verdict, reason FROM wearables.health'), qr/failing\|.*secret/, "$database: health says that a secret is missing");
		run_sql($on, $database, sprintf q{SELECT wearables.set_secret('junction', 'webhook', 0, %s)}, literal(secret()));
	}
	goes_on($database, $on, $option{worker});
	return;
}

sub goes_on
{
	my ($database, $on, $worker) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($user, $value) = ("new $calls", 100 + $calls % 80);
	my $sent = run_sql($on, $database, join '', "SELECT wearables.register_user('$user', 'ext-$user', 'junction');\n", reading($user, [ $now - 60, $value ]),
		receive_sql(message_id(($now - 1800) * 1000, "link $database $user"), connection_event($user, 'created', 'garmin')));
	is(scalar(() = $sent =~ /accepted\|202/g), 2, "$database: what arrives is accepted");
	run_sql($on, $database, 'CALL wearables.drain()') unless $worker;
	queue_is_empty($on, $database, "$database: the queue is worked on") if $worker;
	wait_until($on, $database, "SELECT count(*) = 1 FROM wearables.samples s JOIN wearables.users u USING (user_id) WHERE u.client_user_id = '$user' AND s.value = $value",
		"$database: and handled" . ($worker ? ' by a worker' : ''));
	my @ids = split /\|/, run_sql($on, $database, "INSERT INTO wearables.mappings (resource, metric, value_fields, provider) VALUES ('mood', 'mood', '{value}', 'oura');\n$kIds");
	is_deeply([ map { $ids[$_] > $were_ids[$_] ? 'new' : "$ids[$_] after $were_ids[$_]" } 0 .. $#ids ], [ ('new') x @ids ], "$database: with ids that are new");
	run_sql($on, $database, q{DELETE FROM wearables.mappings WHERE resource = 'mood' AND provider = 'oura'});
	is(run_sql($on, $database, $kMappings),
		$were_mappings, "$database: the mappings of the site once");
	return;
}

sub command
{
	my ($what, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $begun = time;
	my ($status, $out, $err) = $node->psql('postgres', $sql);
	is($err, '', $what);
	note sprintf '%s: %.1f s', $what, time - $begun;
	return;
}

# Dumped and restored in each way. The workers of the restored databases are there before their rows are.
settings("wearables_ingest.databases = 'app, directory, parallel, rows, members'", 'wearables_ingest.workers = 1');
my @from = ('-d', $node->connstr('app'));
my @not_dumped = ('policies');    # of tables that belong to an extension: so pg_dump

sub new_database
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	return ('-d', $node->connstr($database));
}
program('pg_dump -Fd -j', 0, 'pg_dump', @from, '-Fd', '-j', 4, '-f', "$dir/app.dir");
program('pg_restore', 0, 'pg_restore', '--exit-on-error', new_database('directory'), "$dir/app.dir");
is_moved('directory', worker => 1, except => \@not_dumped);

# What pg_restore -j does not know of is the order of tables of an extension that refer to each other.
like(program('pg_restore -j alone fails', 1, 'pg_restore', '-j', 4, new_database('failing'), "$dir/app.dir"),
	qr/errors ignored on restore/, 'and says so');
my @list = split /\n/, program('pg_restore -l', 0, 'pg_restore', '-l', "$dir/app.dir");
my @first = grep { / TABLE DATA wearables/ && !/ (?:sample_points|summaries|deliveries|quarantine|webhook_events\w*) / } @list;
my %is_first = map { $_ => 1 } @first;
append_to_file("$dir/first.list", join "\n", @first, '');
append_to_file("$dir/rest.list", join "\n", (grep { !$is_first{$_} } @list), '');
program('pg_restore -j: the tables', 0, 'pg_restore', '--exit-on-error', '--section=pre-data', new_database('parallel'), "$dir/app.dir");
my @into = ('--exit-on-error', '-d', $node->connstr('parallel'));
program('pg_restore -j: small tables first', 0, 'pg_restore', @into, '--section=data', '-L', "$dir/first.list", "$dir/app.dir");
program('pg_restore -j: large ones at once', 0, 'pg_restore', @into, '--section=data', '-j', 4, '-L', "$dir/rest.list", "$dir/app.dir");
program('pg_restore -j: indexes', 0, 'pg_restore', @into, '--section=post-data', '-j', 4, "$dir/app.dir");
is_moved('parallel', worker => 1, except => \@not_dumped);

# Rows alone: the rights of the roles are not among them, and events go to the partitions that are there.
program('pg_dump --data-only', 0, 'pg_dump', @from, '-Fc', '--data-only', '--load-via-partition-root', '-f', "$dir/rows.dump");
new_database('rows');
run_sql($node, 'rows', 'CREATE EXTENSION wearables_ingest; CREATE TABLE public.of_the_site (id integer PRIMARY KEY, note text);');
program('pg_restore --data-only', 0, 'pg_restore', '--exit-on-error', '-d', $node->connstr('rows'), "$dir/rows.dump");
is_moved('rows', worker => 1, except => [ @not_dumped, 'rights', 'default privileges', 'partitions' ]);
is(run_sql($node, 'rows', q{SELECT count(*) FROM wearables.webhook_events_default}) + run_sql($node, 'rows', q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'wearables.webhook_events'::regclass}) > 1, 1, 'rows: events are in some partition');
program('pg_dump --data-only, by partitions', 0, 'pg_dump', @from, '-Fc', '--data-only', '-f', "$dir/partitions.dump");
run_sql($node, 'postgres', 'CREATE DATABASE bare');
run_sql($node, 'bare', 'CREATE EXTENSION wearables_ingest');
like(program('pg_restore --data-only of partitions that are not there fails', 1, 'pg_restore', '-d', $node->connstr('bare'), "$dir/partitions.dump"),
	qr/relation "wearables\.webhook_events_\d+" does not exist/, 'and says which is missing');

# A schema alone: its extension is not in the dump, and the restore says that it is missing.
program('pg_dump -n wearables', 0, 'pg_dump', @from, '-Fc', '-n', 'wearables', '-f', "$dir/schema.dump");
like(program('pg_restore of a schema alone fails', 1, 'pg_restore', new_database('schema'), "$dir/schema.dump"),
	qr/schema "wearables" does not exist/, 'and says that the schema of the extension is missing');
program('pg_dump -e and -n', 0, 'pg_dump', @from, '-Fc', '-e', 'wearables_ingest', '-n', 'wearables*', '-f', "$dir/members.dump");
program('pg_restore of the extension and its schemas', 0, 'pg_restore', '--exit-on-error', new_database('members'), "$dir/members.dump");
run_sql($node, 'members', q{CREATE TABLE public.of_the_site AS SELECT n AS id, repeat('x', 100) AS note FROM generate_series(1, 1000) n});
is_moved('members', worker => 1, except => [ @not_dumped, 'default privileges' ]);

# Over a database with data: refused as DROP EXTENSION is. In one transaction, so that nothing else is dropped.
like(program('pg_restore --clean over a database with data fails', 1, 'pg_restore', '--clean', '--if-exists', '--single-transaction', '-d', $node->connstr('directory'), "$dir/app.dir"),
	qr/cannot drop extension wearables_ingest because its tables hold data/, 'and says why');
is(looked_at($node, 'directory', 'SELECT count(*) > 50 FROM wearables.sample_points'), 't', 'the data are still there');
# --create drops the database itself, and its worker lets it go
program('pg_dump --create', 0, 'pg_dump', '-d', $node->connstr('parallel'), '-Fc', '-f', "$dir/parallel.dump");
program('pg_restore --clean --create while a worker is connected', 0, 'pg_restore', '--exit-on-error', '--clean', '--create', '-d', $node->connstr('postgres'), "$dir/parallel.dump");
is(run_sql($node, 'parallel', 'SELECT count(*) > 0 FROM wearables.sample_points'), 't', 'and its data are back');
command("$_ is dropped", "DROP DATABASE $_") for qw(directory failing rows bare schema members parallel);

# The whole cluster, with its roles and what they are given.
my $other = make_node('other', "wearables_ingest.databases = 'app'");
$other->start;
program('pg_dumpall', 0, 'pg_dumpall', '-d', $node->connstr('postgres'), '-f', "$dir/all.sql");
my ($said, $complaints) = ('', '');
IPC::Run::run([ $node->installed_command('psql'), '-Xq', '-d', $other->connstr('postgres'), '-f', "$dir/all.sql" ], '<', \undef, '>', \$said, '2>', \$complaints);
is(join("\n", grep { !/role "\w+" already exists/ } split /\n/, $complaints), '', 'psql: without a word but for the role that initdb makes');
is_moved('app', on => $other, worker => 1, except => \@not_dumped);
is(run_sql($other, 'app', q{SELECT string_agg(unnest, ' ' ORDER BY 1) FROM pg_db_role_setting s, unnest(s.setconfig)}), $were_settings, 'app: the same settings of database and role');
$other->stop;

settings("wearables_ingest.databases = 'app'", 'wearables_ingest.workers = 2');
with_workers('app');

# Copied, renamed, dropped under its workers: they leave in time. Before, "database ... is being accessed by other users".
command('CREATE DATABASE ... TEMPLATE while workers are connected', 'CREATE DATABASE copy TEMPLATE app');
is_moved('copy', secret => 1);
with_workers('app');
command('ALTER DATABASE ... RENAME TO while workers are connected', 'ALTER DATABASE app RENAME TO renamed');
is(run_sql($node, 'postgres', 'SELECT count(*) FROM pg_stat_activity WHERE backend_type = ' . literal('wearables_ingest worker')), 0,
	'no worker, for the setting names another database');
settings("wearables_ingest.databases = 'renamed'");
with_workers('renamed');
command('back again', 'ALTER DATABASE renamed RENAME TO app');
settings("wearables_ingest.databases = 'app, copy'");
with_workers($_) for qw(app copy);
is(run_sql($node, 'app', 'SELECT count(*) FROM wearables_internal.worker_exits()'), 0, 'no worker that was stopped counts as one that failed');
command('DROP DATABASE while workers are connected', 'DROP DATABASE copy');
command('a tablespace', "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE elsewhere LOCATION '';");
command('ALTER DATABASE ... SET TABLESPACE while workers are connected', 'ALTER DATABASE app SET TABLESPACE elsewhere');
# in the middle of a job, too
with_workers('app');
run_sql($node, 'app', 'SELECT wearables.pause_queue()');
run_sql($node, 'app', receive_sql(message_id(($now - 60) * 1000, 'big'), samples_event('bob', 'heartrate', 'apple_health_kit', 'watch', map { [ $now - 86400 * 9 + $_, 60 ] } 1 .. 100_000)));
run_sql($node, 'app', 'SELECT wearables.resume_queue()');
# on a fast machine it may have ended by the time that somebody looks
wait_until($node, 'app', q{SELECT EXISTS (SELECT FROM wearables.jobs WHERE state = 'running') OR NOT EXISTS (SELECT FROM wearables.jobs WHERE state = 'ready')},
	'a worker has the long job in hand, or has had it');
command('CREATE DATABASE ... TEMPLATE in the middle of a job', 'CREATE DATABASE copy TEMPLATE app');
queue_is_empty($node, 'app', 'the job is done afterwards');
run_sql($node, 'copy', 'CALL wearables.drain()');
is(run_sql($node, $_, q{SELECT count(*) FROM wearables.samples WHERE provider = 'apple_health_kit'}), 100_000, "$_: whole") for qw(app copy);
command('and the copy is dropped', 'DROP DATABASE copy');
# another session of the site is not stopped for anybody
my $session = $node->background_psql('app');
$session->query_until(qr/here/, "\\echo here\n");
my ($status, $out, $err) = $node->psql('postgres', 'ALTER DATABASE app RENAME TO renamed');
like($err, qr/is being accessed by other users\s+DETAIL:  There is 1 other session using the database/, 'a session of the site stands in the way as always');
$session->quit;

$node->stop;
done_testing();
