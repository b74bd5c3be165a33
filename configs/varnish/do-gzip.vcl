# beresp.do_gzip = true: what is cached is compressed, for whoever accepts it
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_backend_response {
    set beresp.do_gzip = true;
}
