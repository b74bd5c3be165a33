# beresp.do_stream = false: a response is read whole before any of it is passed on
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_backend_response {
    set beresp.do_stream = false;
}
