# return (pipe): bytes are passed on, whatever they mean
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_recv {
    return (pipe);
}
