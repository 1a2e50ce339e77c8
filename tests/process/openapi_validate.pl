#!/usr/bin/perl
# Validates requests against OpenAPI descriptions (2 or 3) with JSON::Validator: Debian has no such
# validator for Python.
#
# Reads lines of JSON {"spec": FILE, "method", "path": TEMPLATE, "params": {"path", "query"}, "type", "body"},
# and writes for each a line with a list of what is wrong.
use strict;
use warnings;
use JSON::Validator;
use Mojo::JSON qw(decode_json encode_json);

$| = 1;
my %schemas;
while (my $line = <STDIN>) {
  my $request = decode_json($line);
  # A number is no text: without coercion.
  my $schema = $schemas{$request->{spec}}
    //= JSON::Validator->new->schema($request->{spec})->schema->coerce({});
  my $body = {exists => exists $request->{body} ? 1 : 0, value => $request->{body}, content_type => $request->{type}};
  my @errors = $schema->validate_request([$request->{method} => $request->{path}],
    {%{$request->{params}}, header => {}, cookie => {}, body => sub { return {%$body} }});
  print encode_json([map {"$_"} @errors]), "\n";
}
