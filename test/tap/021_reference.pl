# The installed reference names every function, view, table, type, setting and error that is there for users, and
# nothing else. What it promises of each: every argument is explained, every example is a valid statement, every link
# resolves.
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
is(scalar @found, 1, 'the reference is installed') or die "nothing to compare below $dest";
my $reference = slurp_file($found[0]);

my $node = make_node('reference', "wearables_ingest.databases = ''\nshared_preload_libraries = 'wearables_ingest'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');

# As a COMMENT names them: the types by their short names.
my $objects = $node->safe_psql('app', q{
	SELECT n.nspname || '.' || p.proname || '(' || coalesce((
	         SELECT string_agg(replace(replace(replace(format_type(a.type, NULL),
	                                                   'timestamp with time zone', 'timestamptz'),
	                                           'timestamp without time zone', 'timestamp'), 'wearables.', ''),
	                           ', ' ORDER BY a.i)
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

# Marks of code and escapes are those of the page, not of the COMMENT.
(my $plain = $reference) =~ s/[`\\]//g;
my %section = $reference =~ /^### (.*)\n((?:(?!^##).*\n)*)/mg;
$section{ s/wearables\.(?=[^(]*[,)])//gr } //= $section{$_} for keys %section;

my @settings = split /\n/, $node->safe_psql('app',
	q{SELECT name || '|' || short_desc FROM pg_settings
	  WHERE name LIKE 'wearables_ingest.%' AND name <> 'wearables_ingest.stop_point' ORDER BY 1});
my $cell = qr/[^|\n]+ \|/;
my @silent = grep {
	my ($name, $what) = split /\|/;
	$plain !~ /^\| \Q$name\E \| $cell $cell $cell \Q$what\E \|$/m;
} @settings;
is_deeply(\@silent, [], 'every setting is told, with default, range, who may change it, and its description');
is_deeply([ grep { /\|$/ } @settings ], [], 'every setting has a description');
# what the sources declare is what the server knows
my %who = ('sighup' => 'the configuration file, then reload', 'superuser' => 'a superuser, with SET or in the configuration file',
	'user' => 'anybody, with SET');
my @known = split /\n/, $node->safe_psql('app', q{
	SELECT name, CASE WHEN vartype = 'string' THEN quote_literal(boot_val) ELSE boot_val END, unit, min_val, max_val, context
	FROM pg_settings WHERE name LIKE 'wearables_ingest.%' AND name <> 'wearables_ingest.stop_point' ORDER BY 1});
my %base = (d => 86400, h => 3600, min => 60, s => 1, GB => 1 << 30, MB => 1 << 20, kB => 1 << 10);

sub in_base_units
{
	my ($number, $unit) = @_;
	return $number =~ /^-?\d+$/ ? $number * ($base{ $unit // '' } // 1) : $number;
}
my @differ = grep {
	my ($name, $initial, $unit, $low, $high, $context) = split /\|/;
	my ($default, $range, $changed_by) = $plain =~ /^\| \Q$name\E \| (.*?) \| (.*?) \| (.*?) \|/m;
	my ($from, $to) = $low eq '' ? () : $range =~ /^(\S+(?: \S+)?) to (.*)$/;
	in_base_units(split / /, $default) ne in_base_units($initial, $unit) || $changed_by ne $who{$context}
	  || (defined $from && (in_base_units(split / /, $from) ne in_base_units($low, $unit)
		  || in_base_units(split / /, $to) ne in_base_units($high, $unit)))
	  || ($low ne '' && !defined $from && $range ne 'see meaning');
} @known;
my $operate = slurp_file('src/manual/operate.md');
is_deeply([ grep { $operate !~ /^\| `$_` \|/m } map { /^wearables_ingest\.(\w+)/ } @settings ], [], 'the manual has a row for every setting');
my %problem = map { $_ => 1 } $node->safe_psql('app', q{SELECT string_agg(pg_get_viewdef(c.oid), ' ') FROM pg_class c
	WHERE c.relname LIKE 'problem%' AND c.relkind = 'v'}) =~ /'(?:failing|warning)'::text(?: AS severity)?,\s+'(\w+)'::text/g;
cmp_ok(scalar keys %problem, '>', 40, 'there are problems');
is_deeply([ grep { $operate !~ /^\|[^|]*`$_`[^|]*\|/m } sort keys %problem ], [], 'and for every problem');
is_deeply(\@differ, [], 'default with its unit, range, and who may change it are what the server knows');

# of partitions only the parent's are told
my @columns = split /\n/, $node->safe_psql('app', q{
	SELECT n.nspname || '.' || c.relname || '|' || a.attname || '|' || (c.relkind IN ('v', 'm'))::int || '|'
	       || coalesce(col_description(c.oid, a.attnum), '')
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE n.nspname IN ('wearables', 'wearables_api') AND c.relkind IN ('r', 'p', 'v', 'm', 'c') AND NOT c.relispartition
	ORDER BY 1});
cmp_ok(scalar @columns, '>', 400, 'there are columns');
is_deeply([ grep { /\|$/ } @columns ], [], 'every column of a table, a view and a type has a comment');
my @untold = grep {
	my ($relation, $column, $is_view, $what) = split /\|/, $_, 4;
	my $type = $is_view ? qr// : qr/\w[^|\n]* \| /;
	($section{$relation} // '') =~ s/[`\\]//gr !~ /^\| $column \| $type\Q$what\E \|$/m;
} @columns;
is_deeply(\@untold, [], 'and is told with it, and with its type if it is of a table or a type');

my @arguments = split /\n/, $node->safe_psql('app', q{
	SELECT p.oid::regprocedure || '|' || a.name
	FROM pg_proc p CROSS JOIN LATERAL unnest(p.proargnames) WITH ORDINALITY a (name, i)
	WHERE p.pronamespace IN ('wearables'::regnamespace, 'wearables_api'::regnamespace) AND p.prokind <> 'a' AND a.i <= p.pronargs
	ORDER BY 1});
cmp_ok(scalar @arguments, '>', 80, 'functions have arguments');
my @unexplained = grep {
	my ($function, $argument) = split /\|/;
	$function =~ tr/"//d;
	$function =~ s/timestamp with time zone/timestamptz/g;
	$function =~ s/timestamp without time zone/timestamp/g;
	$function =~ s/,/, /g;
	($section{$function} // '') !~ /^- `$argument`: \S/m;
} @arguments;
is_deeply(\@unexplained, [], 'every argument of a function is explained');

my @examples = map { $section{$_} =~ /^```sql\n((?:SELECT|INSERT|CALL) .*)\n```/mg } sort keys %section;
cmp_ok(scalar @examples, '>', 30, 'there are examples');
for my $example (@examples)
{
	my ($code, $out, $err) = $node->psql('app', $example =~ /^CALL/ ? $example : "PREPARE example AS $example");
	is($err, '', "an example can be run: $example");
}
my @without = grep { /^wearables\..*\(/ && $section{$_} !~ /^```sql\n(?:SELECT|CALL) /m } sort keys %section;
is_deeply(\@without, [], 'every function has an example');

unlike($node->safe_psql('app', q{
	SELECT d.description FROM pg_description d JOIN pg_depend e ON e.objid = d.objoid AND e.deptype = 'e'
	WHERE e.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'wearables_ingest')}),
	qr/\bR\d+\b/, 'no comment names a rule by its number alone');

my %anchor = map { my $at = lc; $at =~ s/[^\w\- ]//g; $at =~ tr/ /-/; $at => 1 } $reference =~ /^##+ (.*)$/mg;
is_deeply([ grep { !$anchor{$_} } $reference =~ /\]\(#([^)]*)\)/g ], [], 'every link leads to a heading');

my ($errors) = $reference =~ /^## Errors\n(.*)/ms;
my @errors = $errors =~ /^\| (\S*) \| `([^`]+)` \| (.*?) \| (.*?) \|$/mg;
cmp_ok(scalar @errors, '>', 80, 'errors are told');
while (my ($state, $name, $means, $remedy) = splice @errors, 0, 4)
{
	ok($means ne '' && $remedy ne '', "$name is explained");
	my ($code, $out, $err) = $node->psql('app',
		"DO \$\$ BEGIN RAISE EXCEPTION USING ERRCODE = '$state'; EXCEPTION WHEN $name THEN NULL; END \$\$");
	is($err, '', "$name is PostgreSQL's name of $state");
}

$node->stop;
done_testing();
