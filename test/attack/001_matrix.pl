# What each kind of caller can do: every function is called, every relation touched, by each kind and by a stranger.
# What was let in is compared with allowed.txt, where a new line is a decision.
use strict;
use warnings FATAL => 'all';
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $node = make_node('matrix', "wearables_ingest.databases = ''", 'restart_after_crash = on');
$node->start;
install($node, 'postgres', 'alice');
my %role = (ingest => 'door', reader => 'charts', self => 'app', monitor => 'watch', auditor => 'inspector', caller => 'backend', archiver => 'mover', operator => 'keeper', stranger => hostile_name());
run_sql($node, 'postgres', join '', map {
		# of kind self a role without a login alone can be; here it gets one afterwards
		sprintf "CREATE ROLE %s NOLOGIN; GRANT CREATE ON DATABASE postgres TO %s;%s ALTER ROLE %s LOGIN;\n", (quoted($role{$_})) x 2,
		  ($_ eq 'stranger' ? '' : sprintf 'SELECT wearables.grant_access(%s, %s);', literal(quoted($role{$_})), literal($_)), quoted($role{$_}) } sort keys %role);

my $ours = q{IN (SELECT n.oid FROM pg_namespace n WHERE n.nspname LIKE 'wearables%')};

# One line each: what it is called in the list, and the statement that tries it. Arguments are NULL, which nobody looks
# at before the rights; they are columns, as the planner folds a strict call of a constant NULL away without asking.
# What takes internal cannot be called from SQL at all.
my @tries = map { [ split /\t/ ] } split /\n/, run_sql($node, 'postgres', qq{
SELECT concat_ws(E'\\t', 'call ' || p.oid::regprocedure,
  CASE p.prokind WHEN 'p' THEN format('CALL %s(%s)', p.oid::regproc, (SELECT string_agg('NULL', ', ') FROM unnest(p.proargtypes)))
  ELSE format('SELECT %s(%s) FROM (SELECT %s OFFSET 0) a', p.pronamespace::regnamespace || '.' || quote_ident(p.proname),
    (SELECT string_agg('a' || a.n, ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n)),
    (SELECT string_agg(format('NULL::%s AS a%s', a.type::regtype, a.n), ', ' ORDER BY a.n) FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n))) END)
FROM pg_proc p WHERE p.pronamespace $ours AND 'internal'::regtype <> ALL (p.proargtypes) ORDER BY 1;
SELECT concat_ws(E'\\t', t.verb || ' ' || c.oid::regclass, t.statement)
FROM pg_class c
CROSS JOIN LATERAL (VALUES ('select', format('SELECT FROM %s LIMIT 0', c.oid::regclass)), ('insert', format('INSERT INTO %s DEFAULT VALUES', c.oid::regclass)),
  ('delete', format('DELETE FROM %s WHERE false', c.oid::regclass)), ('truncate', format('TRUNCATE %s', c.oid::regclass)),
  ('trigger', format('CREATE TRIGGER t BEFORE INSERT ON %s EXECUTE FUNCTION suppress_redundant_updates_trigger()', c.oid::regclass)),
  ('index', format('CREATE INDEX ON %s ((1))', c.oid::regclass)), ('drop', format('DROP TABLE %s', c.oid::regclass))) t (verb, statement)
WHERE c.relnamespace $ours AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition AND (c.relkind <> 'v' OR t.verb NOT IN ('truncate', 'index', 'drop', 'trigger')) ORDER BY 1;
SELECT concat_ws(E'\\t', format('update %s.%I', c.oid::regclass, a.attname), format('UPDATE %s SET %I = NULL WHERE false', c.oid::regclass, a.attname))
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a'
WHERE c.relnamespace $ours AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition ORDER BY 1;
SELECT concat_ws(E'\\t', 'draw ' || c.oid::regclass, format('SELECT nextval(%L)', c.oid::regclass)) FROM pg_class c WHERE c.relnamespace $ours AND c.relkind = 'S' ORDER BY 1;
SELECT concat_ws(E'\\t', 'select a partition', format('SELECT FROM %s LIMIT 0', c.oid::regclass)) FROM pg_class c WHERE c.relnamespace $ours AND c.relispartition AND c.relkind = 'r' ORDER BY 1;
SELECT concat_ws(E'\\t', 'delete from a partition', format('DELETE FROM %s', c.oid::regclass)) FROM pg_class c WHERE c.relnamespace $ours AND c.relispartition AND c.relkind = 'r' ORDER BY 1;
SELECT concat_ws(E'\\t', 'create in ' || n.nspname, format('CREATE TABLE %I.t ()', n.nspname)) FROM pg_namespace n WHERE n.oid $ours ORDER BY 1;
SELECT concat_ws(E'\\t', 'attach ' || p.oid::regproc, format('CREATE TRIGGER t BEFORE INSERT ON own EXECUTE FUNCTION %s()', p.oid::regproc)) FROM pg_proc p WHERE p.pronamespace $ours AND p.prorettype = 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar @tries, '>', 200, 'there is enough to try: ' . @tries);

my %allowed;
for my $kind (sort keys %role)
{
	my $script = "CREATE TEMP TABLE own ();\n" . join '', map { "BEGIN;\n$_->[1];\n\\set state :SQLSTATE\nROLLBACK;\n\\echo = :state\n" } @tries;
	my $run = as_role($node, 'postgres', $role{$kind}, $script);
	my @states = $run->{out} =~ /^= (\w{5})$/mg;
	is(scalar @states, scalar @tries, "$kind could try everything, and the server stood");
	for my $i (0 .. $#tries)
	{
		my $what = $tries[$i][0];
		next if $states[$i] eq '42501';
		# the rewriter says it of a view before anybody looks at rights
		next if $states[$i] eq '55000' && $what =~ /^(insert|update|delete) /;
		$allowed{"$kind: $what"} = 1;
	}
}
is(restart_count($node), 0, 'the server has not crashed');

# A role's rights are its list, so what is let in for PUBLIC stands once, under the stranger.
for my $kind (qw(ingest reader self monitor auditor caller archiver operator))
{
	delete @allowed{ grep { /^$kind: (.*)/ && $allowed{"stranger: $1"} } keys %allowed };
}
my @listed = grep { /\S/ && !/^#/ } split /\n/, slurp_file(dirname(__FILE__) . '/allowed.txt');
my %listed = map { $_ => 1 } @listed;
is(join("\n", grep { !$listed{$_} } sort keys %allowed), '', 'nothing is let in that is not listed');
is(join("\n", grep { !$allowed{$_} } sort keys %listed), '', 'everything listed is let in');

$node->stop;
done_testing();
