# beresp.do_esi = true: a response is looked through for ESI directives
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_backend_response {
    set beresp.do_esi = true;
}
