# Pulsegate as a container: built with all dependencies, shipped with those needed at run time, run as a plain user.
# The database is its own service (compose.yaml); the embedded PostgreSQL also works here, with a volume on /data.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
# the image holds no tests, benchmarks and fuzzers, and starts without compiling
RUN npm run build && npm prune --omit=dev && rm -rf dist/test dist/bench dist/fuzz

FROM node:24-bookworm-slim
ENV NODE_ENV=production \
    PULSEGATE_DATA=/data \
    PULSEGATE_MQTT_HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/schemas ./schemas
COPY --from=build /app/dist ./dist
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 8883
# Ready means: takes messages and can store them. The health address stays private to the container unless opened on purpose.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PULSEGATE_HEALTH_PORT || 9464) + '/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "--enable-source-maps", "dist/cli/main.js"]
CMD ["up", "--no-simulator"]
