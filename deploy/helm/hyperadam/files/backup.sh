# A new backup below $BACKUPS; then only the newest $KEEP whole ones stay. If it fails, the old ones do.
mkdir -p "$BACKUPS"
cd "$BACKUPS"

# What has no manifest was cut off. A younger one may be a backup that somebody makes by hand just now.
for folder in ????-??-??T??-??-??Z; do
  if [ -d "$folder" ] && [ ! -e "$folder/manifest.json" ] && [ -n "$(find "$folder" -prune -mtime +0)" ]; then
    rm -rf "$folder"
  fi
done

hyperadam-server backup "$BACKUPS/$(date -u +%Y-%m-%dT%H-%M-%SZ)"

set --
for folder in ????-??-??T??-??-??Z; do  # in the order of their names, which is that of time
  if [ -e "$folder/manifest.json" ]; then
    set -- "$@" "$folder"
  fi
done
while [ $# -gt "$KEEP" ]; do
  rm -rf "$1"
  echo "Removed $BACKUPS/$1."
  shift
done
