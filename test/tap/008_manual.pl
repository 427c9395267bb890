# The README and the chapters of the manual, followed literally: every SQL block runs as it stands, and what is printed
# there is compared. A chapter says by a comment what its tour begins with:
#   <!-- tour -->                         an empty database
#   <!-- tour after CREATE EXTENSION -->  a database with the extension and nothing else
#   <!-- tour after receive.md -->        a copy of the database in which that chapter's tour ended
# A block after <!-- not run: why --> is left out.
use strict;
use warnings FATAL => 'all';
use File::Find qw(find);
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my %text = map { s{.*/}{}r => slurp_file($_) } 'README.md', sort glob 'src/manual/*.md';

# The code blocks of a page, in order: [kind, text]. Those of a list are indented.
sub blocks
{
	my ($page) = @_;
	my @blocks;
	my $block = qr/(^<!-- not run: [^\n]+ -->\n)?^ *```(\w+)\n(.*?)^ *```$/ms;
	push @blocks, [ $1 ? 'not run' : $2, $3 ] while $text{$page} =~ /$block/g;
	return @blocks;
}

sub beginning_of
{
	my ($page) = @_;
	return $text{$page} =~ /^<!-- tour(?: after (.+?))? -->$/m ? $1 // '' : undef;
}

# Tables without blanks at the end.
sub tables
{
	my ($text) = @_;
	my $plain = join "\n", map { s/\s+$//r } split /\n/, $text;
	return grep { /\S/ } split /\n{2,}/, $plain =~ s/\A\n+//r;
}

# The names of a table's columns: their widths follow from what is printed.
sub columns
{
	my ($table) = @_;
	return join '|', map { s/^\s+|\s+$//gr } split /\|/, (split /\n/, $table)[0];
}

# Of what is printed, the tables that the manual shows; it leaves out those of calls that return nothing of interest.
sub shown
{
	my ($printed, @expected) = @_;
	my @shown;
	for my $table (tables($printed))
	{
		push @shown, $table if @shown < @expected && columns($table) eq columns($expected[@shown]);
	}
	return join "\n\n", @shown;
}

# The page with what was printed in the place of what it shows, for whoever finds the new output right.
sub keep_as_printed
{
	my ($page, $expected, $shown) = @_;
	my $text = $text{$page};
	for my $place (0 .. $#$expected)
	{
		$text =~ s/^```text\n\Q$expected->[$place]\E/```text\n$shown->[$place]\n/m;
	}
	my $folder = ($ENV{TESTDATADIR} // 'tmp_check') . '/manual';
	mkdir $folder;
	append_to_file("$folder/$page", $text);
	diag "$page as it is printed: $folder/$page (KEEP_AREA=1 keeps it)";
	return;
}

my $node = make_node(
	'manual', "wearables_ingest.databases = ''", "timezone = 'UTC'", 'wearables_ingest.access_record = on',
	# a chapter reads an API key from the environment
	"wearables_ingest.secret_env_prefix = 'WEARABLES_'");
$node->start;

# One tour after another: a chapter that others continue comes before them.
my %database;
my $compared = 0;

sub database_for
{
	my ($page) = @_;
	my $beginning = beginning_of($page);
	my $name = $page =~ s/\.md$//r;
	die "$page continues $beginning, which has no tour" if $beginning =~ /\.md$/ && !defined beginning_of($beginning);
	follow($beginning) if $beginning =~ /\.md$/;
	$node->safe_psql('postgres', qq{CREATE DATABASE "$name"} . ($beginning =~ /^(.+)\.md$/ ? qq{ TEMPLATE "$1"} : ''));
	$node->safe_psql($name, 'CREATE EXTENSION wearables_ingest') if $beginning eq 'CREATE EXTENSION';
	return $name;
}

# Runs the tour of a page, once, and compares each text block with what was printed since the one before.
sub follow
{
	my ($page) = @_;
	return if $database{$page};
	$database{$page} = my $name = database_for($page);
	my ($script, $fresh, @expected) = ('', 0);
	for my $block (blocks($page))
	{
		my ($kind, $text) = @$block;
		if ($kind eq 'sql')
		{
			$script .= "$text\n";
			$fresh = 1;
		}
		# a text block that no statement precedes shows something else than an answer
		next unless $kind eq 'text' && $fresh;
		push @expected, $text;
		$script .= '\\echo mark ' . @expected . "\n";
		$fresh = 0;
	}
	my ($out, $err);
	IPC::Run::run(
		[ $node->installed_command('psql'), '-Xq', '-P', 'footer=off', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($name) ],
		'<', \$script, '>', \$out, '2>', \$err);
	is($err, '', "$page runs without an error");
	my @printed = split /^mark \d+\n/m, $out;
	$compared += @expected;
	my (@shown, $differs);
	for my $place (0 .. $#expected)
	{
		my @tables = tables($expected[$place]);
		push @shown, shown($printed[$place] // '', @tables);
		is($shown[$place], join("\n\n", @tables), "$page: what is printed at place " . ($place + 1)) or $differs = 1;
	}
	keep_as_printed($page, \@expected, \@shown) if $differs;
	return;
}

my @tours = grep { defined beginning_of($_) } sort keys %text;
cmp_ok(scalar @tours, '>=', 9, 'there are tours');
follow($_) for @tours;
cmp_ok($compared, '>', 20, 'they show what comes of it');

# What has statements and no tour is run by another test, which names it.
my $others = join '', map { slurp_file($_) } grep { !/008_manual/ } glob 'test/tap/*.pl';
for my $page (sort keys %text)
{
	next if defined beginning_of($page) || !grep { $_->[0] eq 'sql' } blocks($page);
	like($others, qr{manual/\Q$page\E}, "a test runs the statements of $page");
}

# The table of the fields is that of the test which makes it.
my @made = grep { /^\| `/ } split /\n/, slurp_file('expected/catalogue.out');
cmp_ok(scalar @made, '>', 50, 'there is a table of the fields');
my @told = grep { /^\| `/ } split /\n/, $text{'fields.md'};
is_deeply(\@told, \@made, 'the manual has it as it is: else make catalogue');

# What is installed is the whole manual.
my ($dest) = ($ENV{WEARABLES_CONF} // '') =~ m{'([^':]*/dest)[/:']};
my @installed;
find({ no_chdir => 1, wanted => sub { push @installed, $1 if m{/extension/wearables_ingest/([^/]+\.md)$} } }, $dest);
is_deeply(
	[ sort @installed ],
	[ sort 'wearables_ingest-reference.md', grep { $_ ne 'README.md' } keys %text ],
	'every chapter is installed, with the reference, in a folder of their own');

$node->stop;
done_testing();
