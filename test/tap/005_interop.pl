# The vendor's own package, in both directions: what it signs is let in, what we sign it verifies.
use strict;
use warnings FATAL => 'all';
use Encode qw(encode);
use File::Basename qw(dirname);
use IPC::Run ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Wearables;

my $modules = $ENV{WEARABLES_NODE_MODULES} // '';
plan skip_all => $ENV{WEARABLES_NO_NODE_MODULES} || 'WEARABLES_NODE_MODULES does not name the modules that test/run installs'
  if $modules eq '';
die 'node is not installed' if system('node --version >/dev/null 2>&1') != 0;
die "there is no package svix in $modules" unless -d "$modules/svix";
my $program = dirname($modules) . '/svix.mjs';

my $kBodies = 300;
seeded();
my $json = JSON::PP->new->utf8->canonical;
my $text = JSON::PP->new->canonical->allow_nonref;    # keeps characters as they are

my $node = make_node('interop', "wearables_ingest.databases = ''");
$node->start;
$node->safe_psql('postgres', 'CREATE DATABASE app');
install($node, 'app');

# One process answers many requests: a list of hashes, whose bodies are bytes.
sub vendor
{
	my (@requests) = @_;
	my ($in, $out, $err) = ('', '', '');
	$in .= $json->encode({ %$_, body => undef, body_base64 => encode_base64($_->{body}, '') }) . "\n" for @requests;
	IPC::Run::run([ 'node', $program, 'batch' ], '<', \$in, '>', \$out, '2>', \$err) or die "svix.mjs: $err";
	return map { $json->decode($_) } split /\n/, $out;
}

my @planes = ([ 0x20, 0x7e ], [ 0x00, 0x7f ], [ 0x80, 0x7ff ], [ 0x800, 0xd7ff ], [ 0xe000, 0xffff ], [ 0x10000, 0x10ffff ]);

sub random_text
{
	my ($low, $high) = @{ $planes[ rand @planes ] };
	return join '', map { chr($low + int rand($high - $low + 1)) } 1 .. rand(400);
}

# JSON, because the vendor's package parses what it has verified.
sub random_body
{
	my $value = rand() < 0.5 ? random_text() : { event_type => 'x.y', text => random_text(), list => [ map { random_text() } 1 .. rand 4 ] };
	no warnings 'nonchar';
	return encode('UTF-8', $text->encode($value)) . (rand() < 0.3 ? "\n" : '');
}

my $now = time;
my @messages = map {
	{ id => message_id(($now - 30) * 1000 + 4 * $_, $_), timestamp => $now - int(rand 200) + 100, secret => secret($_ % 5), body => random_body() }
} 1 .. $kBodies;

# The endpoint knows all five secrets, one of them without its prefix.
my @secrets = map { secret($_) } 0 .. 4;
$secrets[4] =~ s/^whsec_//;
run_sql($node, 'app', join '', map { "SELECT wearables.set_secret('junction', 'webhook', $_, '$secrets[$_]');" } 0 .. 4);

sub headers_of
{
	my ($message, $family) = @_;
	$family //= 'svix';
	return { "$family-id" => $message->{id}, "$family-timestamp" => "$message->{timestamp}", "$family-signature" => $message->{signature} };
}

sub statuses
{
	my (@sent) = @_;
	my %count;
	$count{ (split /\|/)[1] }++ for split /\n/,
	  run_sql($node, 'app', join '', map { receive_sql($_->{id}, $_->{body}, headers => headers_of($_, $_->{family})) } @sent);
	return \%count;
}

# Changes one thing about a message that is signed.
sub tampered
{
	my ($message) = @_;
	my %copy = %$message;
	my $what = (qw(body id timestamp signature))[ rand 4 ];
	if ($what eq 'body')
	{
		my $at = int rand length $copy{body};
		substr($copy{body}, $at, 1) = chr(ord(substr($copy{body}, $at, 1)) ^ 1);
		# the package would see another text for other bytes that are no UTF-8
		utf8::decode(my $check = $copy{body}) or $copy{body} = "$message->{body} ";
	}
	$copy{id} =~ s/(.)$/$1 eq 'a' ? 'b' : 'a'/e if $what eq 'id';
	$copy{timestamp} += 1 if $what eq 'timestamp';
	substr($copy{signature}, 5, 1) = substr($copy{signature}, 5, 1) eq 'A' ? 'B' : 'A' if $what eq 'signature';
	return \%copy;
}

# They sign, we verify.
my @answers = vendor(map { { %$_, op => 'sign' } } @messages);
is(scalar(grep { defined $_->{signature} } @answers), $kBodies, 'the package signs every body');
$messages[$_]{signature} = $answers[$_]{signature} for 0 .. $#messages;
is_deeply([ grep { $_->{signature} ne sign(@$_{qw(id timestamp body secret)}) } @messages ], [], "Perl's own HMAC signs alike");
is_deeply(statuses(map { tampered($_) } @messages), { refused => $kBodies }, 'what was changed after the package signed it is refused');
is_deeply(statuses(map { { %$_, family => $_->{timestamp} % 2 ? 'svix' : 'webhook' } } @messages), { accepted => $kBodies },
	'what the package signed is accepted, under either family of header names');
is_deeply(statuses(@messages), { duplicate => $kBodies }, 'and known when it comes again');
my %stored = map { split /\|/ } split /\n/,
  run_sql($node, 'app', q{SELECT message_id, encode(payload, 'hex') FROM wearables.webhook_events});
is_deeply(\%stored, { map { $_->{id} => unpack 'H*', $_->{body} } @messages }, 'byte for byte');

# We sign, they verify.
my @signed = map { { %$_, now => $now, op => 'verify' } } @messages;
my $script = join '', map { sprintf "SELECT wearables.sign('%s', to_timestamp(%d), '\\x%s', '%s');\n", @$_{qw(id timestamp)}, unpack('H*', $_->{body}), $_->{secret} } @signed;
my @signatures = split /\n/, run_sql($node, 'app', $script);
is(scalar @signatures, $kBodies, 'we sign every body');
$signed[$_]{signature} = $signatures[$_] for 0 .. $#signed;
is_deeply([ grep { !$_->{ok} } vendor(@signed) ], [], 'the package verifies what we signed');
is_deeply([ grep { !$_->{ok} } vendor(map { { %$_, family => 'webhook' } } @signed) ], [], 'under the other names too');
is_deeply([ grep { ($_->{error} // '') !~ /No matching signature/ } vendor(map { tampered($_) } @signed) ], [],
	'and nothing that was changed after we signed it');

# One list of signatures, as during a rotation: both sides take any that fits.
sub with_list
{
	my ($message, @more) = @_;
	my @list = (sign(@$message{qw(id timestamp body)}, secret(99)), 'v1a,abcd', 'v2,' . substr($message->{signature}, 3), @more);
	return { %$message, signature => join ' ', shuffled(@list) };
}
my @mixed = map { with_list($_, $_->{signature}) } @signed[ 0 .. 49 ];
is_deeply([ grep { !$_->{ok} } vendor(@mixed) ], [], 'the package takes a list in which one signature fits');
is_deeply(statuses(@mixed), { duplicate => 50 }, 'so do we');
my @others = map { with_list($_) } @signed[ 0 .. 49 ];
is_deeply([ grep { $_->{ok} } vendor(@others) ], [], 'the package takes no list in which none fits');
is_deeply(statuses(@others), { refused => 50 }, 'nor do we');

# Rotation: an old secret is valid until it is removed.
my @by_secret = map { my $number = $_; [ grep { $_->{secret} eq secret($number) } @messages ] } 0 .. 4;
run_sql($node, 'app', "SELECT wearables.set_secret('junction', 'webhook', 3, NULL)");
is_deeply(statuses(@{ $by_secret[3] }), { refused => scalar @{ $by_secret[3] } }, 'a secret that is removed opens no door');
is_deeply(statuses(map { @{ $by_secret[$_] } } 0, 1, 2, 4), { duplicate => $kBodies - @{ $by_secret[3] } }, 'the others do');

# Both sides agree about the age of a message.
for my $age (-301, -300, 0, 300, 301)
{
	my %message = (%{ $signed[0] }, timestamp => $now - $age);
	$message{signature} = sign(@message{qw(id timestamp body secret)});
	my ($answer) = vendor(\%message);
	my $ours = run_sql($node, 'app', sprintf q{SELECT wearables.verify_signature('%s', '\x%s', ARRAY['%s'], to_timestamp(%d))},
		to_json(headers_of(\%message)), unpack('H*', $message{body}), $message{secret}, $now);
	is($ours, $answer->{ok} ? 't' : 'f', "both sides agree about $age seconds");
}
$node->stop;
done_testing();
