#!/usr/bin/perl
# The reference of the manual, made of what is said at each declaration: the COMMENTs of the install script, the
# descriptions of the settings, and the SQLSTATEs that the sources raise.
#
# usage: reference.pl SCRIPT SOURCES_DIR > reference.md
#
# An object is told where it has a COMMENT and lies in a schema for users. test/tap/021_reference.pl compares what is
# told here with the catalog of a database, so what this reading of the script misses is found.
use strict;
use warnings;
use File::Find;

my ($script, $sources) = @ARGV;
my $text = slurp($script);
my %public = map { $_ => 1 } qw(wearables wearables_api);

sub slurp
{
	my ($path) = @_;
	open my $file, '<:encoding(UTF-8)', $path or die "$path: $!\n";
	local $/;
	return scalar <$file>;
}

# A literal of several pieces, each on a line of its own, as SQL joins them.
my $literal = qr/'(?:[^']|''|'\s*\n\s*')*'/;

sub unquoted
{
	my ($quoted) = @_;
	$quoted =~ s/'\s*\n\s*'//g;
	$quoted =~ s/^'|'$//g;
	$quoted =~ s/''/'/g;
	return $quoted;
}

# As a cell of a table takes it.
sub cell
{
	my ($what) = @_;
	$what =~ s/\|/\\|/g;
	$what =~ s/\s+/ /g;
	return $what;
}

my (%comment, %column);
while ($text =~ /^COMMENT ON (TABLE|VIEW|FUNCTION|PROCEDURE|AGGREGATE|TYPE|COLUMN)\s+(.*?)\s+IS\s+($literal);/gms)
{
	my ($kind, $name, $what) = ($1, $2, unquoted($3));
	$name =~ s/\s+/ /g;
	if ($kind eq 'COLUMN')
	{
		my ($relation, $attribute) = $name =~ /^(.*)\.(.*)$/;
		push @{ $column{$relation} }, [ $attribute, $what ];
	}
	else { $comment{$kind}{$name} = $what }
}

sub is_public
{
	my ($name) = @_;
	my ($schema) = $name =~ /^(\w+)\./;
	return defined $schema && $public{$schema};
}

# The parameters with their names and defaults, and what comes back, by name and types of the COMMENT.
sub signature
{
	my ($kind, $name) = @_;
	my ($function, $types) = $name =~ /^([\w.]+)\s*\((.*)\)$/ or return;
	my $wanted = () = $types =~ /\S[^,]*/g;
	pos($text) = 0;
	while ($text =~ /^CREATE (?:OR REPLACE )?\Q$kind\E \Q$function\E\s*(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))\s*(?:RETURNS\s+(.*?)(?=\s+LANGUAGE))?/gms)
	{
		my ($parameters, $returns) = ($1, $2);
		(my $inside = $parameters) =~ s/^\(|\)$//g;
		next if $kind ne 'AGGREGATE' && !same_types($inside, $types);
		s/\s+/ /g for $parameters, $returns // ();
		return ($parameters, $returns);
	}
	return;
}

sub same_types
{
	my ($parameters, $types) = @_;
	$parameters =~ s/\s+/ /g;
	my @given = map { s/\s+DEFAULT .*//r } split /,\s*(?![^(]*\))/, $parameters;
	my @wanted = split /,\s*/, $types;
	return 0 if @given != @wanted;
	for my $i (0 .. $#given)
	{
		my ($type) = $given[$i] =~ /(?:^|\s)(\Q$wanted[$i]\E)$/i;
		return 0 if !defined $type;
	}
	return 1;
}

print "# Reference\n\nMade by `make reference` from the declarations. What is not here lies in the schema `wearables_internal` and is "
  . "nobody's to call.\n";

for ([ 'Functions', 'FUNCTION' ], [ 'Procedures', 'PROCEDURE' ], [ 'Aggregates', 'AGGREGATE' ])
{
	my ($title, $kind) = @$_;
	my @names = grep { is_public($_) } sort keys %{ $comment{$kind} };
	next if !@names;
	print "\n## $title\n";
	for my $name (@names)
	{
		my ($parameters, $returns) = signature($kind, $name);
		my ($plain) = $name =~ /^([\w.]+)/;
		die "no declaration of $name\n" if !defined $parameters && $kind ne 'AGGREGATE';
		print "\n### $name\n\n```sql\n$plain", $parameters // '', defined $returns ? " returns $returns" : '', "\n```\n\n";
		print ucfirst $comment{$kind}{$name}, ".\n";
	}
}

for ([ 'Views', 'VIEW' ], [ 'Tables', 'TABLE' ], [ 'Types', 'TYPE' ])
{
	my ($title, $kind) = @$_;
	my @names = grep { is_public($_) } sort keys %{ $comment{$kind} };
	next if !@names;
	print "\n## $title\n";
	for my $name (@names)
	{
		print "\n### $name\n\n", ucfirst $comment{$kind}{$name}, ".\n";
		my $columns = $column{$name} or next;
		print "\n| column | meaning |\n| --- | --- |\n";
		printf "| `%s` | %s |\n", $_->[0], cell($_->[1]) for @$columns;
	}
}

print "\n## Settings\n\n`SHOW wearables_ingest.lease`; all with unit, bounds and context: `SELECT * FROM pg_settings WHERE name LIKE "
  . "'wearables_ingest.%'`.\n\n| setting | meaning |\n| --- | --- |\n";
my $settings = slurp("$sources/pg/server/settings.cpp");
my %setting;
while ($settings =~ /define_\w+\(\s*"(wearables_ingest\.\w+)",\s*((?:"[^"]*"\s*)+),/g)
{
	my ($name, $what) = ($1, $2);
	$what =~ s/"\s*"//g;
	$what =~ s/^"|"\s*$//g;
	$setting{$name} = $what;
}
printf "| `%s` | %s |\n", $_, cell($setting{$_}) for sort keys %setting;

# What each condition of ours means to who meets it; the name is PostgreSQL's.
my %state;
find({ no_chdir => 1, wanted => sub {
	return if !/\.(?:cpp|sql)$/;
	my $source = slurp($_);
	$state{ lc $1 }++ while $source =~ /errcode\(ERRCODE_(\w+)\)/g;
	$state{$1}++ while $source =~ /ERRCODE\s*=\s*'([a-z_]+)'/g;
} }, $sources);
print "\n## Conditions\n\nBy the names of PostgreSQL's [list of error codes](https://www.postgresql.org/docs/current/errcodes-appendix.html), "
  . "as `EXCEPTION WHEN` takes them. Each message says what was given, why it is refused and what to do.\n\n";
print "- `$_`\n" for sort keys %state;
