# between_bytes_timeout 1 s: a backend that is silent for longer is given up
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
    .between_bytes_timeout = 1s;
}
