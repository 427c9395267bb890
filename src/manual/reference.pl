#!/usr/bin/perl
# The reference of the manual, made of what is said at each declaration: the COMMENTs of the install script, the
# descriptions of the settings, and the SQLSTATEs that the sources raise.
#
# usage: reference.pl SOURCES_DIR > reference.md
#
# An object is printed if it has a COMMENT and lies in a schema for users. The chapters are the rooms of src/sql, so an
# object's chapter is the folder of its declaration. In a COMMENT, "Arguments: a: what it is; b: what it is." is printed
# as a list, and the statement after "Example: " as code.
# test/tap/021_reference.pl compares the result with the catalog of a database: what this reading of the script misses
# is found there.
use strict;
use warnings;
use File::Find;
use FindBin;

my ($sources) = @ARGV;

# The chapters in the order in which a newcomer needs them: room, title, task, and what comes first, which may be
# declared in another room. A room that is not listed comes before the queue.
my @chapters = (
	[ 'receive', 'Receive deliveries', 'Configure endpoints, verify and store what they send.',
		qw(add_endpoint set_secret receive webhook) ],
	[ 'people', 'Users and connections', 'Register users, so that events can be assigned to them.',
		qw(register_user set_connection) ],
	[ 'read', 'Charts, nights and days', 'Read what was measured, in buckets of a time zone.',
		qw(timeseries source_priorities latest nights timeseries_lttb timeseries_percentiles timeseries_histogram
		   timeseries_time_weighted samples_page fhir_observations) ],
	[ 'rollup', 'Rollups', 'Stored results of past days, by which charts read less.', qw(rebuild_rollups set_rollups) ],
	[ 'retention', 'Retention', 'Delete what is older than you need it.', qw(retention_policies retention_plan apply_retention) ],
	[ 'write', 'Samples, documents and quarantine', 'Where readings are stored, and those that were refused.',
		qw(samples sample_points) ],
	[ 'store', 'Stored events', 'Every accepted message, byte for byte, and what became of it.', qw(webhook_events) ],
	[ 'ingest', 'Explain and replay events', 'Find out why an event yielded what it did, and process it again.',
		qw(explain_event body_fields normalize replay_preview replay) ],
	[ 'archive', 'Archive', 'Old raw events and exports of samples as Parquet files, by the program wearables-archive.',
		qw(archive_events restore_events verify_archives export_samples archives archived_files) ],
	[ 'parse', 'The parser', 'The rows that decide which field becomes which metric. Changing them needs no restart.',
		qw(mappings metrics metric_codes units sources resources known_fields drift) ],
	[ 'pull', 'Pull history', 'Fetch older data over the REST API of the vendor.',
		qw(request_backfill sync coverage request_missing reconcile connection_progress) ],
	[ 'call', 'Call the vendor', 'Create users at the vendor, get links, disconnect, and request fresh data.',
		qw(create_vendor_user link_url outbound_calls disconnect_provider delete_vendor_user refresh_user) ],
	[ 'publish', 'Feed another database', 'Publish what charts read to a database that cannot load the extension.',
		qw(make_publication subscriber_ddl) ],
	[ 'queue', 'The queue and its workers', 'Jobs, failed jobs, and how to pause and resume.',
		qw(queue workers drain) ],
	[ 'admin', 'Health and privileges', 'What to monitor, and who may do what.', qw(health problems grant_access) ]);
my %place;  # of what comes first: its chapter and position
for my $chapter (@chapters)
{
	my ($room, undef, undef, @first) = @$chapter;
	$place{ $first[$_] } = [ $room, $_ ] for 0 .. $#first;
}

my %condition = do("$FindBin::Bin/errors.pl") or die "errors.pl: ", $@ || $!;

# What C calls otherwise.
my %name_in_c = (
	t_r_serialization_failure => 'serialization_failure',
	e_r_i_e_event_trigger_protocol_violated => 'event_trigger_protocol_violated',
	e_r_i_e_trigger_protocol_violated => 'trigger_protocol_violated',
	datetime_value_out_of_range => 'datetime_field_overflow',
	undefined_schema => 'invalid_schema_name');

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
	return marked($what);
}

# GitHub's anchor of a heading.
sub anchor
{
	my ($heading) = @_;
	my $anchor = lc $heading;
	$anchor =~ s/[^\w\- ]//g;
	$anchor =~ tr/ /-/;
	return $anchor;
}

# The parts of the install script by room, in the order in which they are installed.
my %part;
find({ no_chdir => 1, wanted => sub {
	return if !m{/([a-z]+)/(\d+_\w+\.sql)$};
	$part{"$2/$1"} = { room => $1, text => slurp($_) };
} }, "$sources/sql");
my @parts = map { $part{$_} } sort keys %part;
my $text = join '', map { $_->{text} } @parts;

# By room: [kind, name, comment], in the order of the script; by relation: [column, comment].
my (%object, %column);
for my $part (@parts)
{
	while ($part->{text} =~ /^COMMENT\ ON\ (TABLE|VIEW|FUNCTION|PROCEDURE|AGGREGATE|TYPE|COLUMN)
	                          \s+(.*?)\s+IS\s+($literal);/gmsx)
	{
		my ($kind, $name, $what) = ($1, $2, unquoted($3));
		next if $name !~ /^(?:wearables|wearables_api)\./;
		$name =~ s/\s+/ /g;
		$name =~ s/\( /(/;
		if ($kind eq 'COLUMN')
		{
			my ($relation, $attribute) = $name =~ /^(.*)\.(.*)$/;
			push @{ $column{$relation} }, [ $attribute, $what ];
		}
		else
		{
			my ($room) = @{ $place{ short($name) } // [ $part->{room} ] };
			push @{ $object{$room} }, [ $kind, $name, $what ];
		}
	}
}

sub short { return $_[0] =~ /\.(\w+)/ ? $1 : $_[0] }

# The parameters with their names and defaults, and what comes back, by name and types of the COMMENT.
sub signature
{
	my ($kind, $name) = @_;
	my ($function, $types) = $name =~ /^([\w.]+)\s*\((.*)\)$/ or return;
	pos($text) = 0;
	my $nested = qr/\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)/;
	while ($text =~ /^CREATE\ \Q$kind\E\ \Q$function\E\s*($nested)\s*(?:RETURNS\s+(.*?)(?=\s+LANGUAGE))?/gmsx)
	{
		my ($parameters, $returns) = ($1, $2);
		return ("($types)", 'wearables.replay_totals') if $kind eq 'AGGREGATE';
		(my $inside = $parameters) =~ s/^\(|\)$//g;
		next if !same_types($inside, $types);
		s/\s+/ /g for $parameters, $returns // ();
		return ($parameters, $returns);
	}
	return;
}

# Between two parameters: neither within parentheses nor within a quoted default.
my $comma = qr/,\s*(?![^(]*\))(?=(?:[^']*'[^']*')*[^']*$)/;

sub same_types
{
	my ($parameters, $types) = @_;
	$parameters =~ s/\s+/ /g;
	my @given = map { s/\s+DEFAULT .*//r } split /$comma/, $parameters;
	my @wanted = split /,\s*/, $types =~ s/^\s+//r;
	return 0 if @given != @wanted;
	for my $i (0 .. $#given)
	{
		my ($type) = $given[$i] =~ /(?:^|\s)(\Q$wanted[$i]\E)$/i;
		return 0 if !defined $type;
	}
	return 1;
}

# The columns of a table or composite type with their types, as declared.
sub declared_columns
{
	my ($kind, $name) = @_;
	my $types = qr/(?:double precision|[\w.]+)(?:\[\])?/;
	return $text =~ /^CREATE TYPE \Q$name\E AS \((.*?)\);/ms ? $1 =~ /(\w+) ($types)(?:,|$)/g : () if $kind eq 'TYPE';
	my ($inside) = $text =~ /^CREATE TABLE \Q$name\E \(\n(.*?)^\)/ms or return;
	return $inside =~ /^  ([a-z]\w*)\s+($types)/gm;
}

sub print_function
{
	my ($kind, $name, $what) = @_;
	my ($parameters, $returns) = signature($kind, $name) or die "no declaration of $name\n";
	my ($plain) = $name =~ /^([\w.]+)/;
	my $example = $what =~ s/\s*Example: (.*)$// ? $1 : undef;
	$parameters = "(\n  " . join(",\n  ", parameters($parameters)) . ')' if length($plain . $parameters) > 100;
	my ($columns) = ($returns // '') =~ /^TABLE \((.{90,})\)$/;
	$returns = "TABLE (\n    " . join(",\n    ", parameters($columns)) . ')' if defined $columns;
	print "```sql\n$plain$parameters", defined $returns ? "\n  returns $returns" : '', "\n```\n\n";
	print_text($what);
	print "\n```sql\n$example\n```\n" if defined $example;
}

sub parameters
{
	my ($parameters) = @_;
	$parameters =~ s/^\(\s*|\)$//g;
	return split /$comma/, $parameters;
}

# A paragraph, or one, a list of arguments and another.
sub print_text
{
	my ($what) = @_;
	my ($before, $arguments, $after) = $what =~ /^(.*?) Arguments: (.*?\.)(?= [A-Z]|$)(.*)$/;
	if (!defined $arguments) { print marked($what), "\n"; return }
	print marked($before), "\n\n";
	for (split /; (?="?\w+"?: )/, $arguments =~ s/\.$//r)
	{
		my ($name, $meaning) = /^"?(\w+)"?: (.*)$/s or die "no argument: $_\n";
		print "- `$name`: ", marked($meaning), "\n";
	}
	print "\n", marked($after =~ s/^ //r), "\n" if $after ne '';
}

# Names of functions, and names with an underscore, as code.
sub marked
{
	my ($what) = @_;
	$what =~ s/([*<])/\\$1/g;
	$what =~ s/(?<![\w.`\/"])((?:\w+\.)*(?:\w+\(\)|\w+_\w+(?:\.\w+)*(?:\(\))?|\w+\.\w+_\w+))(?![\w`\/=])/`$1`/g;
	return $what;
}

sub print_relation
{
	my ($kind, $name, $what) = @_;
	my $example = $what =~ s/\s*Example: (.*)$// ? $1 : undef;
	print marked($what), "\n";
	print "\n```sql\n$example\n```\n" if defined $example;
	if ($text =~ /^CREATE TYPE \Q$name\E AS ENUM \((.*?)\)/ms)
	{
		print "\nValues: ", join(', ', map { "`$_`" } $1 =~ /'(\w+)'/g), ".\n";
		return;
	}
	my %meaning = map { $_->[0] => $_->[1] } @{ $column{$name} // [] };
	my @declared = declared_columns($kind, $name);
	if (@declared)
	{
		print "\n| column | type | meaning |\n| --- | --- | --- |\n";
		while (my ($attribute, $type) = splice @declared, 0, 2)
		{
			printf "| `%s` | `%s` | %s |\n", $attribute, $type, cell($meaning{$attribute} // '');
		}
		return;
	}
	return if !%meaning;
	print "\n| column | meaning |\n| --- | --- |\n";
	printf "| `%s` | %s |\n", $_->[0], cell($_->[1]) for @{ $column{$name} };
}

my %listed = map { $_->[0] => 1 } @chapters;
splice @chapters, -2, 0, map { [ $_, ucfirst $_, '' ] } grep { !$listed{$_} } sort keys %object;
@chapters = grep { $object{ $_->[0] } } @chapters;
my %is_routine = map { $_ => 1 } qw(FUNCTION PROCEDURE AGGREGATE);
my %rank = (FUNCTION => 0, PROCEDURE => 0, AGGREGATE => 0, VIEW => 1, TABLE => 2, TYPE => 3);
for my $chapter (@chapters)
{
	my $in_chapter = $object{ $chapter->[0] };
	my $rank = sub {
		my ($kind, $name) = @{ $_[0] };
		my $first = $place{ short($name) };
		return $first ? $first->[1] - keys %place : $rank{$kind};
	};
	# perl's sort is stable: of one kind they stay in the order of the script
	@$in_chapter = sort { $rank->($a) <=> $rank->($b) } @$in_chapter;
}

print <<'END';
# Reference

Every function, view, table, type, setting and error of wearables_ingest. `make reference` generates this page from the
declarations. Objects are in the schema `wearables`, which is not in the search path: write its name. What is not listed
here is in the schema `wearables_internal` and may change at any time.

Only the owner of the extension can use these objects at first. `wearables.grant_access()` gives privileges to others;
the functions of the schema `wearables_api` can be called by every role.

**Terms.** An *endpoint* is a configured sender of webhooks. A *delivery* is one HTTP request; the sender repeats a
*message* under the same message id until a delivery of it is accepted. An *event* is one stored message, or one
*page* pulled over REST. A *reading* is one value in a body; stored, it is a *sample*. A *resource* is a kind of body
of the vendor (`sleep`, `heartrate`), a *metric* is what is stored; a *sub-metric* extends its name
(`cholesterol/hdl`). A *document* is an object with an id in a summary resource, such as a night. A *source* is
provider, source type and channel; the *channel* is `timeseries`, or the summary resource from which a reading is
derived. The *origin time* of an event is when the vendor created it; the *version* is the order key made from it. A
*backfill* is one requested pull of history. *Drift* is what events hold and the parser does not cover. A *parked*
event belongs to a user who is not registered. A reading that is refused is *quarantined*.

END
for (@chapters)
{
	my ($room, $title) = @$_;
	my %seen;
	my @links;
	for (@{ $object{$room} })
	{
		my ($kind, $name) = @$_;
		my $short = short($name);
		push @links, "[`$short" . ($is_routine{$kind} ? '()' : '') . "`](#" . anchor($name) . ')' if !$seen{$short}++;
	}
	print "- [$title](#", anchor($title), '): ', join(', ', @links), "\n";
}
print "- [Data map](#data-map)\n- [Settings](#settings)\n- [Errors](#errors)\n";

for (@chapters)
{
	my ($room, $title, $task) = @$_;
	print "\n## $title\n";
	print "\n$task\n" if $task ne '';
	for (@{ $object{$room} })
	{
		my ($kind, $name, $what) = @$_;
		print "\n### $name\n\n";
		$what .= '.' if $what !~ /[.;]$/;
		$is_routine{$kind} ? print_function($kind, $name, $what) : print_relation($kind, $name, $what);
	}
}

# What of all that is stored is personal, as the view data_map lists it.
print <<'END';

## Data map

What of all that is stored is about a person. *personal*: identifies a person, or tells something of one. *health*: a
reading, or what was measured. *technical*: neither. The last column says what `erase_user()` does. The view
`wearables.data_map` has one row for each column.

| table | class | columns | when the person is erased |
| --- | --- | --- | --- |
END
my ($map) = $text =~ /^CREATE VIEW wearables\.data_map .*?\(VALUES\n(.*?)^\) m /ms or die "no data map\n";
while ($map =~ /\('([\w.]+)', '(\w+)', '(\w+)',\s*($literal)\)/g)
{
	my ($relation, $class, $end, $columns) = ($1, $2, $3, unquoted($4));
	printf "| `%s` | %s | %s | %s |\n", $relation =~ s/^wearables\.//r, $class, join(', ', map { "`$_`" } split / /, $columns), $end;
}

# A setting as its define_...() declares it.
my %changed_by = (
	PGC_SIGHUP => 'the configuration file, then reload',
	PGC_SUSET => 'a superuser, with `SET` or in the configuration file',
	PGC_USERSET => 'anybody, with `SET`');
my $settings = slurp("$sources/pg/server/settings.cpp");
my %constant = $settings =~ /^constexpr int (k\w+) = (\d+);/mg;

# A number of a setting in the largest unit that it is a multiple of, as SHOW prints it.
sub in_unit
{
	my ($number, $unit) = @_;
	my @units = $unit eq 'GUC_UNIT_KB' ? ([ 'GB', 1 << 20 ], [ 'MB', 1 << 10 ], [ 'kB', 1 ])
	  : $unit eq 'GUC_UNIT_S' ? ([ 'd', 86400 ], [ 'h', 3600 ], [ 'min', 60 ], [ 's', 1 ])
	  : $unit eq 'GUC_UNIT_MIN' ? ([ 'd', 1440 ], [ 'h', 60 ], [ 'min', 1 ])
	  : return $number;
	return $number if $number == 0;
	my ($largest) = grep { $number % $_->[1] == 0 } @units;
	return $number / $largest->[1] . " $largest->[0]";
}

my %setting;
my $declaration = qr/define_(int|flag|text|word)\(\s*"(wearables_ingest\.\w+)",\s*((?:"[^"]*"\s*)+),
	\s*&current\.\w+,\s*(.*?)\);/sx;
while ($settings =~ /$declaration/g)
{
	my ($type, $name, $what, $rest) = ($1, $2, $3, $4);
	$what =~ s/"\s*"//g;
	$what =~ s/^"|"\s*$//g;
	my @rest = split /\s*,\s*/, $rest;
	my ($default, $range, $context) = $type eq 'flag' ? ((($rest[1] // '') eq 'true' ? 'on' : 'off'), 'on, off', $rest[0]) : ("''", 'text', 'PGC_SIGHUP');
	($default, $context) = ($rest[0] =~ s/"/'/gr, $rest[1]) if $type eq 'word';
	if ($type eq 'int')
	{
		my ($initial, $low, $high) = map { s/\bk\w+/$constant{$&}/gr } @rest[0 .. 2];
		($initial, $low, $high) = map { /^[\d* ]+$/ ? in_unit(eval, $rest[4]) : $_ } $initial, $low, $high;
		($default, $context) = ($initial, $rest[3]);
		$range = $low eq 'INT_MIN' ? 'see meaning' : "$low to $high";
	}
	$setting{$name} = [ $default, $range, $changed_by{$context} // $context, $what ];
}
print <<'END';

## Settings

`databases` and `workers` exist only if the library is in `shared_preload_libraries`. `SHOW wearables_ingest.lease`
shows the value of one.

| setting | default | range | changed by | meaning |
| --- | --- | --- | --- | --- |
END
printf "| `%s` | %s | %s | %s | %s |\n", $_, @{ $setting{$_} }[0 .. 2], cell($setting{$_}[3]) for sort keys %setting;

my %raised;
find({ no_chdir => 1, wanted => sub {
	return if !/\.(?:cpp|sql)$/;
	my $source = slurp($_);
	$raised{ lc $1 }++ while $source =~ /errcode\(ERRCODE_(\w+)\)/g;
	$raised{ length $1 == 5 ? "SQLSTATE '$1'" : $1 }++ while $source =~ /ERRCODE\s*=\s*'(\w+)'/g;
	while ($source =~ /\bRAISE\s+EXCEPTION\b((?:[^;']|$literal)*);/g) { $raised{raise_exception}++ if $1 !~ /\bERRCODE\b/ }
	return if !/boundary\.cpp$/;
	$raised{ lc $1 }++ while $source =~ /return ERRCODE_(\w+);/g;
} }, $sources);
for (grep { exists $raised{$_} } keys %name_in_c) { $raised{ $name_in_c{$_} } += delete $raised{$_} }
delete $raised{query_canceled};  # the server's own
delete @raised{ "SQLSTATE 'WI001'", "SQLSTATE 'WIN02'" };  # are caught where they are raised
print <<'END';

## Errors

The message says what was given and why it is refused; the hint says what to do. Names are those of PostgreSQL's
[list of error codes](https://www.postgresql.org/docs/current/errcodes-appendix.html), as `EXCEPTION WHEN` takes them.

| SQLSTATE | condition | what it means | what to do |
| --- | --- | --- | --- |
END
for (sort { ($condition{$a} // [''])->[0] cmp ($condition{$b} // [''])->[0] } keys %raised)
{
	my ($state, $means, $remedy) = @{ $condition{$_} // [ '', '', '' ] };
	printf "| %s | `%s` | %s | %s |\n", $state, $_, marked($means), marked($remedy);
}
