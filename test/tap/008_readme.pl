# Two chapters of the manual, followed literally: every SQL block runs as it stands, and what is printed there is compared.
use strict;
use warnings FATAL => 'all';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $readme = slurp_file('README.md');

# The code blocks of a chapter, in order: [kind, text]. Those of a list are indented.
sub blocks
{
	my ($chapter) = @_;
	my ($text) = $readme =~ /^## \Q$chapter\E\n(.*?)(?=^## |\z)/ms or die "no chapter $chapter";
	my @blocks;
	push @blocks, [ $1, $2 ] while $text =~ /^ *```(\w+)\n(.*?)^ *```$/msg;
	return @blocks;
}

# Tables without blanks at the end; how long ago a fixed instant was, nobody compares.
sub tables
{
	my ($text) = @_;
	my $plain = join "\n", map { s/\blies \d+ s\b/lies N s/r =~ s/\s+$//r } split /\n/, $text;
	return grep { /\S/ } split /\n{2,}/, $plain =~ s/\A\n+//r;
}

# Of what is printed, the tables that the manual shows; it leaves out those of calls that return nothing of interest.
sub shown
{
	my ($printed, @expected) = @_;
	my @shown;
	for my $table (tables($printed))
	{
		push @shown, $table if @shown < @expected && (split /\n/, $table)[0] eq (split /\n/, $expected[@shown])[0];
	}
	return join "\n\n", @shown;
}

my $node = make_node('readme', "wearables_ingest.databases = ''", "timezone = 'UTC'");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');

# What psql prints for each text block: everything since the one before.
my ($script, @expected) = ('');
for my $block (blocks('A tour'), blocks('Add a wearable'))
{
	my ($kind, $text) = @$block;
	$script .= "$text\n" if $kind eq 'sql';
	next unless $kind eq 'text';
	push @expected, $text;
	$script .= '\\echo mark ' . @expected . "\n";
}

my ($out, $err);
IPC::Run::run(
	[ $node->installed_command('psql'), '-Xq', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('app') ],
	'<', \$script, '>', \$out, '2>', \$err);
is($err, '', 'both run without an error');
my @printed = split /^mark \d+\n/m, $out;
cmp_ok(scalar @expected, '>', 10, 'they show what comes of it');
for my $place (0 .. $#expected)
{
	my @tables = tables($expected[$place]);
	is(shown($printed[$place] // '', @tables), join("\n\n", @tables), 'what is printed at place ' . ($place + 1));
}

my @outage = map { $_->[1] } grep { $_->[0] eq 'sql' } blocks('After an outage');
is(scalar @outage, 2, 'after an outage two statements help');
is($node->psql('app', join('', @outage), on_error_stop => 1), 0, 'and they run');

# The table of the fields is that of the test which makes it.
my @made = grep { /^\| `/ } split /\n/, slurp_file('expected/catalogue.out');
my ($chapter) = $readme =~ /^## What becomes of each field\n(.*?)(?=^## )/ms;
cmp_ok(scalar @made, '>', 50, 'there is a table of the fields');
is_deeply([ grep { /^\| `/ } split /\n/, $chapter ], \@made, 'the manual has it as it is: else make catalogue');

$node->stop;
done_testing();
