# The installed reference names every function, view, table, type and setting that is there for users, and nothing else.
use strict;
use warnings FATAL => 'all';
use File::Find qw(find);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my ($dest) = ($ENV{WEARABLES_CONF} // '') =~ /extension_destdir = '([^']*)'/;
my @found;
find({ no_chdir => 1, wanted => sub { push @found, $_ if m{/wearables_ingest-reference\.md$} } }, $dest);
is(scalar @found, 1, 'the reference is installed') or BAIL_OUT("nothing to compare below $dest");
my $reference = slurp_file($found[0]);

my $node = make_node('reference', "wearables_ingest.databases = ''\nshared_preload_libraries = 'wearables_ingest'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');

# As a COMMENT names them: the types by their short names.
my $objects = $node->safe_psql('app', q{
	SELECT n.nspname || '.' || p.proname || '(' || coalesce((
	         SELECT string_agg(replace(replace(replace(format_type(a.type, NULL), 'timestamp with time zone', 'timestamptz'),
	                                           'timestamp without time zone', 'timestamp'), 'wearables.', ''), ', ' ORDER BY a.i)
	         FROM unnest(p.proargtypes) WITH ORDINALITY AS a (type, i)), '') || ')'
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('wearables', 'wearables_api')
	UNION
	SELECT n.nspname || '.' || c.relname
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname IN ('wearables', 'wearables_api') AND c.relkind IN ('r', 'p', 'v', 'm', 'c')
	  AND (NOT c.relispartition OR c.relname = 'webhook_events_default')
	UNION
	SELECT n.nspname || '.' || t.typname
	FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
	WHERE n.nspname IN ('wearables', 'wearables_api') AND t.typtype IN ('e', 'd')
	ORDER BY 1});
my %there = map { $_ => 1 } split /\n/, $objects;
my %told = map { s/wearables\.(?=[^(]*[,)])//gr => 1 } $reference =~ /^### (.*)$/mg;
cmp_ok(scalar keys %there, '>', 60, 'there is much to tell');
is_deeply([ grep { !$told{$_} } sort keys %there ], [], 'every object for users is told');
is_deeply([ grep { !$there{$_} } sort keys %told ], [], 'and nothing that is not there');

my @settings = split /\n/, $node->safe_psql('app',
	q{SELECT name FROM pg_settings WHERE name LIKE 'wearables_ingest.%' AND name <> 'wearables_ingest.stop_point' ORDER BY 1});
is_deeply([ grep { $reference !~ /^\| `\Q$_\E` \| \S/m } @settings ], [], 'every setting is told');

my @columns = split /\n/, $node->safe_psql('app', q{
	SELECT c.relname || ' ' || a.attname FROM pg_class c
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	JOIN pg_description d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = a.attnum
	WHERE c.relnamespace = 'wearables'::regnamespace AND NOT c.relispartition ORDER BY 1});
my @untold = grep { my ($relation, $column) = split / /; $reference !~ /^### wearables\.$relation\n(?:(?!^### ).*\n)*?\| `$column` \| \S/m } @columns;
is_deeply(\@untold, [], 'and every column that has a comment');

$node->stop;
done_testing();
