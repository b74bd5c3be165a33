# beresp.do_gzip for HTML, CSS and scripts: event streams and NDJSON stay as they are
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_backend_response {
    if (beresp.http.Content-Type ~ "^(text/(html|css)|application/javascript)") {
        set beresp.do_gzip = true;
    }
}
