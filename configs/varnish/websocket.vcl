# WebSockets are piped, as the users guide has it; all else as it comes
vcl 4.1;

backend app {
    .host = "${UPSTREAM_HOST}";
    .port = "${UPSTREAM_PORT}";
}

sub vcl_recv {
    if (req.http.upgrade ~ "(?i)websocket") {
        return (pipe);
    }
}

sub vcl_pipe {
    if (req.http.upgrade) {
        set bereq.http.upgrade = req.http.upgrade;
        set bereq.http.connection = req.http.connection;
    }
}
