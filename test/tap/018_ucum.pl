# The unit of each shipped metric is a UCUM code, by the National Library of Medicine's own library.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $modules = $ENV{WEARABLES_NODE_MODULES} // '';
plan skip_all => $ENV{WEARABLES_NO_NODE_MODULES} || 'WEARABLES_NODE_MODULES does not name the modules that test/run installs'
  if $modules eq '';
die "there is no package \@lhncbc/ucum-lhc in $modules" unless -d "$modules/\@lhncbc/ucum-lhc";

my $node = make_node('ucum', "wearables_ingest.databases = ''");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');

# Asked one by one, since a code that it would correct by itself (CEL to Cel) counts as wrong.
my $program = <<'JS';
const units = require(process.argv[1] + '/@lhncbc/ucum-lhc').UcumLhcUtils.getInstance();
const codes = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const judge = (code) => { const r = units.validateUnitString(code, false); return r.status === 'valid' && r.ucumCode === code; };
console.log(JSON.stringify(codes.map(judge)));
JS

sub valid
{
	my (@codes) = @_;
	my ($in, $out, $err) = (JSON::PP->new->encode(\@codes), '', '');
	IPC::Run::run([ 'node', '-e', $program, $modules ], '<', \$in, '>', \$out, '2>', \$err) or die "node: $err";
	return @{ JSON::PP->new->decode($out) };
}

is_deeply([ map { $_ ? 1 : 0 } valid('count', 'CEL', 'mmHg', '{count}', 'mm[Hg]') ], [ 0, 0, 0, 1, 1 ], 'the library tells a code from a word');

my @metrics = map { [ split /\|/ ] } split /\n/, run_sql($node, 'app', 'SELECT name, ucum FROM wearables.metrics ORDER BY metric_id');
cmp_ok(scalar @metrics, '>', 100, 'there are metrics');
my @valid = valid(map { $_->[1] } @metrics);
is(join(', ', map { "$metrics[$_][0] $metrics[$_][1]" } grep { !$valid[$_] } 0 .. $#metrics), '', 'the code of each of them is valid');

$node->stop;
done_testing();
