# One backend, all else as it comes: what may be cached is, for two minutes
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}
