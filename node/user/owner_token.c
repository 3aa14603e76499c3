#include "node/user/users_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "node/base/alloc.h"

#define LOG_MODULE "users"

#define OWNER_TOKEN_BYTES 16

/* What an earlier run left: 128 bits as 22 characters and a line end. */
static enum err read_token(struct users *u, int fd)
{
	char text[TOKEN_CHARS] = { 0 };
	ssize_t n = read(fd, text, sizeof(text) - 1);
	struct str s;

	if (n < 0)
		return ERR_IO;
	s = str_trim((struct str){ text, (size_t)n });
	if (s.n < 22)
		return ERR_CORRUPT;
	memcpy(u->owner_token.text, s.p, s.n);
	u->owner_token.text[s.n] = '\0';
	return ERR_OK;
}

static enum err write_token(struct users *u, struct err_ctx *why)
{
	size_t n;
	enum err err = ERR_OK;
	int fd = open(u->owner_token_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(why, ERR_IO, "%s: %s", u->owner_token_path, strerror(errno));
	token_make_short(u->o.rng, OWNER_TOKEN_BYTES, &u->owner_token);
	n = strlen(u->owner_token.text);
	if (write(fd, u->owner_token.text, n) != (ssize_t)n || write(fd, "\n", 1) != 1 ||
		fsync(fd) != 0)
		err = err_set(why, ERR_IO, "%s: %s", u->owner_token_path, strerror(errno));
	close(fd);
	if (err) {
		(void)unlink(u->owner_token_path);
		u->owner_token.text[0] = '\0';
	}
	return err;
}

enum err owner_token_open(struct users *u, struct err_ctx *why)
{
	int64_t accounts = 0;
	enum err err;
	int fd;

	if (!u->owner_token_path)
		return ERR_OK;
	err = store_account_count(u->store, &accounts);
	if (err)
		return err_set(why, err, "the accounts can't be counted");
	if (accounts > 0) {
		(void)unlink(u->owner_token_path);
		return ERR_OK;
	}
	fd = open(u->owner_token_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		err = read_token(u, fd);
		close(fd);
		if (!err)
			return ERR_OK;
		/* Cut short by a crash or damaged: nobody has used it, so a new one is as good.
		 */
		(void)unlink(u->owner_token_path);
	}
	return write_token(u, why);
}

bool owner_token_matches(const struct users *u, struct str token)
{
	struct str own = token_str(&u->owner_token);

	return own.n > 0 && token.n == own.n && sodium_memcmp(token.p, own.p, own.n) == 0;
}

void owner_token_used(struct users *u)
{
	if (!u->owner_token.text[0])
		return;
	sodium_memzero(&u->owner_token, sizeof(u->owner_token));
	if (unlink(u->owner_token_path) != 0 && errno != ENOENT)
		log_warn(u->o.log, "the used first-account token could not be removed path=%s",
			u->owner_token_path);
}
