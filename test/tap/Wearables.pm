# A server whose clients may find that it is not there. psql then ends before it reads its script, and if that is before the
# script was written, IPC::Run dies of a broken pipe: a test that waits while a server comes up again must not.
package Wearables::Node;

use strict;
use warnings FATAL => 'all';
use parent 'PostgreSQL::Test::Cluster';
use Time::HiRes ();

sub poll_query_until
{
	my ($self, @arguments) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	for (;;)
	{
		my $found = eval { $self->SUPER::poll_query_until(@arguments) };
		return $found if defined $found;
		die substr $@, 0, 1000 if $@ !~ /Broken pipe/ || time > $until;
		Time::HiRes::usleep(100_000);
	}
}

# As psql itself ends when there is no server: with 2.
sub psql
{
	my ($self, $database, $script, %option) = @_;
	my @result = eval { $self->SUPER::psql($database, $script, %option) };
	if ($@)
	{
		die substr $@, 0, 1000 if $@ !~ /Broken pipe/ || $option{on_error_die};
		@result = (2, '', 'psql ended before it had read its script');
	}
	return wantarray ? @result : $result[0];
}

# What the TAP tests share: a server that finds the staged build, and a sender that is not the extension:
# it signs with Perl's own Digest::SHA and makes its own message ids.
package Wearables;

use strict;
use warnings FATAL => 'all';
use Digest::SHA qw(hmac_sha256 sha256);
use Exporter 'import';
use IPC::Run ();
use JSON::PP ();
use List::Util ();
use Math::BigInt;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX qw(strftime);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

our @EXPORT = qw(
  make_node start_again install make_partitions deliver receive_sql run_sql as_role hostile_name quoted literal wait_until queue_is_empty
  secret sign signed_headers message_id to_json rfc3339 samples_event document_event connection_event
  shuffled seeded restart_count);

my $kDigits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
my $kKsuidEpoch = 1_400_000_000;
my $json = JSON::PP->new->canonical->ascii;

# A signing secret as the vendor's portal shows it; the same number gives the same secret.
sub secret
{
	my ($number) = @_;
	return 'whsec_' . encode_base64(substr(sha256('secret ' . ($number // 0)), 0, 24), '');
}

# v1 signature of a body of bytes.
sub sign
{
	my ($id, $timestamp, $body, $secret) = @_;
	my $key = decode_base64($secret =~ s/^whsec_//r);
	return 'v1,' . encode_base64(hmac_sha256("$id.$timestamp.$body", $key), '');
}

sub signed_headers
{
	my ($id, $body, %option) = @_;
	my $timestamp = $option{timestamp} // time;
	my $family = $option{family} // 'svix';
	return {
		"$family-id" => $id,
		"$family-timestamp" => "$timestamp",
		"$family-signature" => sign($id, $timestamp, $body, $option{secret} // secret()),
		'content-type' => 'application/json'
	};
}

# msg_ and a KSUID made at $ms (rounded to 4 ms as KSUIDs are); $salt tells apart those of one instant.
sub message_id
{
	my ($ms, $salt) = @_;
	my $seconds = int($ms / 1000);
	my $bytes = pack('N C', $seconds - $kKsuidEpoch, ($ms - $seconds * 1000) / 4) . substr(sha256($salt // ''), 0, 15);
	my $number = Math::BigInt->from_hex(unpack('H*', $bytes));
	my $text = '';
	for (1 .. 27)
	{
		my $digit;
		($number, $digit) = $number->bdiv(62);
		$text = substr($kDigits, $digit, 1) . $text;
	}
	return "msg_$text";
}

sub to_json { return $json->encode($_[0]); }

sub rfc3339 { return strftime('%Y-%m-%dT%H:%M:%S+00:00', gmtime $_[0]); }

# $user names the person at both sides: client_user_id, and the vendor's id "ext-$user".
sub event_of
{
	my ($type, $user, $data) = @_;
	return to_json(
		{ event_type => $type, user_id => "ext-$user", client_user_id => $user, team_id => 'team', data => $data });
}

# samples: [epoch seconds, value, unit]; without a unit, in the one that the mapping has as default
sub samples_event
{
	my ($user, $resource, $provider, $type, @samples) = @_;
	my $offset = $provider eq 'freestyle_libre' ? undef : 0;  # of floating time the vendor knows none
	my @data = map { { timestamp => rfc3339($_->[0]), value => $_->[1], timezone_offset => $offset, defined $_->[2] ? (unit => $_->[2]) : () } } @samples;
	return event_of("daily.data.$resource.created", $user,
		{ source => { provider => $provider, type => $type }, data => \@data });
}

sub document_event
{
	my ($user, $resource, $provider, $type, $document) = @_;
	return event_of("daily.data.$resource.updated", $user,
		{ source => { provider => $provider, type => $type }, %$document });
}

sub connection_event
{
	my ($user, $action, $provider, $error_type) = @_;
	my $data = $action eq 'created'
	  ? { provider => { name => ucfirst $provider, slug => $provider, logo => '' } }
	  : { provider => $provider, error_type => $error_type };
	return event_of("provider.connection.$action", $user, $data);
}

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# The statement with which a door hands over a delivery; prints "id|status|http_status".
sub receive_sql
{
	my ($id, $body, %option) = @_;
	return sprintf "SELECT %s, r.status, r.http_status FROM wearables.receive(%s, '\\x%s', %s) r;\n",
	  literal($id), literal(to_json($option{headers} // signed_headers($id, $body, %option))), unpack('H*', $body),
	  defined $option{endpoint} ? literal($option{endpoint}) : 'NULL';
}

# One delivery in a session of its own; returns the receipt's status.
sub deliver
{
	my ($node, $database, $id, $body, %option) = @_;
	return (split /\|/, $node->safe_psql($database, receive_sql($id, $body, %option)))[1];
}

# psql, once the server is there: after a crash it comes back by itself.
sub psql
{
	my ($script, @options) = @_;
	my ($out, $err, $ok);
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		# a psql that finds no server does not read its script: that is a broken pipe
		my $ran = eval { $ok = IPC::Run::run([ 'psql', '-XAtq', @options ], '<', \$script, '>', \$out, '2>', \$err); 1 };
		last if $ran && $err !~ /^psql: error: connection/;
		Time::HiRes::usleep(100_000);
	}
	chomp $out;
	return ($ok, $out, $err);
}

# A script of any length through one session; dies on an error. Quieter than safe_psql, which prints it.
sub run_sql
{
	my ($node, $database, $script) = @_;
	my ($ok, $out, $err) = psql($script, '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database));
	die "psql on $database: $err" unless $ok;
	return $out;
}

# A script as a role, in a session of its own, from error to error. Returns out, err and the SQLSTATEs of its errors.
sub as_role
{
	my ($node, $database, $role, $script) = @_;
	my ($ok, $out, $err) = psql($script, '-v', 'VERBOSITY=verbose', '-d', $node->connstr($database), '-U', $role);
	return { out => $out, err => $err, states => [ $err =~ /(?:ERROR|FATAL|PANIC): +(\w{5})\b/g ] };
}

# A name that has to be quoted, another one each time.
sub hostile_name { return sprintf q{Mallory "%d'; --}, rand 1e6; }

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq{"$name"}; }

# A cluster that finds the staged build; @settings are lines of postgresql.conf. Not started.
sub make_node
{
	my ($name, @settings) = @_;
	my $node = Wearables::Node->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C.UTF-8' ]);
	$node->append_conf('postgresql.conf', join "\n", $ENV{WEARABLES_CONF} // '', 'log_statement = none',
		'max_worker_processes = 16', @settings);
	return $node;
}

# After kill -9 of the postmaster its children may hold its memory for a moment.
sub start_again
{
	my ($node) = @_;
	my $until = time + $PostgreSQL::Test::Utils::timeout_default;
	until ($node->start(fail_ok => 1))
	{
		die 'the server does not start again' if time > $until;
		Time::HiRes::usleep(100_000);
		$node->stop('fast', fail_ok => 1);
	}
	return;
}

# The extension in a database that exists, an endpoint with secret(), and the people named.
sub install
{
	my ($node, $database, @users) = @_;
	my $script = "CREATE EXTENSION wearables_ingest;\nSELECT wearables.add_endpoint('junction');\n"
	  . "SELECT wearables.set_secret('junction', 'webhook', 0, " . literal(secret()) . ");\n";
	$script .= sprintf "SELECT wearables.register_user(%s, %s);\n", literal($_), literal("ext-$_") for @users;
	run_sql($node, $database, $script);
	make_partitions($node, $database);
	return;
}

# make_event_partitions($arguments), again while somebody holds what it locks: a worker, autovacuum, a session that is ending.
# Returns how many were made.
sub make_partitions
{
	my ($node, $database, $arguments) = @_;
	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($ok, $out, $err) = psql('SELECT wearables.make_event_partitions(' . ($arguments // '') . ')', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database));
		return $out if $ok;
		die "psql on $database: $err" unless $err =~ /could not lock wearables[.]webhook_events/;
		Time::HiRes::usleep(100_000);
	}
	die 'no partition can be made';
}

# A test: the query comes to give $expected ('t').
sub wait_until
{
	my ($node, $database, $query, $what, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = $node->poll_query_until($database, $query, $expected);
	return ok($ok, $what);
}

sub queue_is_empty
{
	my ($node, $database, $what) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_until($node, $database, q{SELECT count(*) = 0 FROM wearables.jobs WHERE state <> 'failed'},
		$what // 'the queue becomes empty');
}

# How often the server came up again after a crash, by its log.
sub restart_count
{
	my ($node) = @_;
	my $log = slurp_file($node->logfile);
	return scalar(() = $log =~ /all server processes terminated; reinitializing/g);
}

# Seeds rand() and says with what; WEARABLES_SEED gives a run again.
sub seeded
{
	my $seed = $ENV{WEARABLES_SEED} // (time * 1000 + $$) % 1_000_000_007;
	srand $seed;
	note "WEARABLES_SEED=$seed";
	return $seed;
}

sub shuffled { return List::Util::shuffle(@_); }

1;
