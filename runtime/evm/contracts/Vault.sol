// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC3009Bytes} from "./IERC3009Bytes.sol";
import {IVault} from "./IVault.sol";
import {VaultDigests} from "./VaultDigests.sol";

/// @title Vaults with reserved lanes, paid by vouchers
/// @dev No owner, no proxy, no upgrade. State changes before tokens move, and the guard holds
/// across every function that moves them.
contract Vault is VaultDigests, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice Most rows of one batch.
    uint256 public constant ROWS_MAX = 200;
    /// @notice Longest delay, so that nobody locks a deposit away for ever by a slip.
    uint48 public constant DELAY_MAX = 365 days;

    mapping(bytes32 vaultId => VaultState) private _vaults;
    mapping(bytes32 laneId => Lane) private _lanes;
    mapping(address token => mapping(address account => uint128)) private _credits;
    /// @dev payeeAmount + 1; zero where there is no ruling.
    mapping(bytes32 voucherHash => uint256) private _rulings;
    /// @dev Deposit orders that were used, by their digest.
    mapping(bytes32 orderHash => bool) private _orders;

    // ---------------------------------------------------------------- money in

    /// @inheritdoc IVault
    function open(Terms calldata terms, uint128 amount) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (amount > 0) _deposit(vaultId, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function deposit(bytes32 vaultId, uint128 amount) external nonReentrant {
        _known(vaultId);
        _deposit(vaultId, msg.sender, amount);
    }

    /// @inheritdoc IVault
    function openWithAuthorization(
        Terms calldata terms,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        uint256 before = IERC20(terms.token).balanceOf(address(this));
        // The nonce names the vault: who sees this in the mempool can only do the same thing earlier.
        _receive(terms.token, from, amount, validAfter, validBefore, keccak256(abi.encode(vaultId, salt)), signature);
        _arrived(vaultId, from, terms.token, before, amount);
    }

    /// @dev 65 bytes are a plain signature, which every EIP-3009 token takes, whatever code `from` bears
    /// (EIP-7702). What it will not have so, or is longer, goes where contract wallets are asked (ERC-1271).
    function _receive(
        address token,
        address from,
        uint128 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) private {
        bytes memory reason;
        if (signature.length == 65) {
            (uint8 v, bytes32 r, bytes32 s) = _parts(signature);
            try IERC3009(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, v, r, s) {
                return;
            } catch (bytes memory data) {
                if (from.code.length == 0) LowLevelCall.bubbleRevert(data);
                reason = data;
            }
        } else if (from.code.length == 0) {
            revert BadSignature();
        }
        try IERC3009Bytes(token).receiveWithAuthorization(from, address(this), amount, validAfter, validBefore, nonce, signature) {}
        catch (bytes memory data) {
            if (reason.length == 0) reason = data;
            if (reason.length == 0) revert BadSignature();
            LowLevelCall.bubbleRevert(reason);
        }
    }

    /// @inheritdoc IVault
    function openWithPermit(
        Terms calldata terms,
        DepositOrder calldata order,
        bytes calldata signature,
        bytes calldata permitSignature
    ) external nonReentrant returns (bytes32 vaultId) {
        vaultId = _open(terms);
        if (block.timestamp >= order.validBefore) revert Late(order.validBefore);
        bytes32 digest = _depositDigest(vaultId, order);
        if (_orders[digest]) revert OrderUsed(digest);
        if (!_signedByAccount(order.from, digest, signature)) revert BadSignature();
        _orders[digest] = true;
        if (permitSignature.length != 0) {
            (uint8 v, bytes32 r, bytes32 s) = _parts(permitSignature);
            // A permit that somebody has sent ahead has left the allowance; without one the transfer fails.
            try IERC20Permit(terms.token).permit(order.from, address(this), order.amount, order.validBefore, v, r, s) {} catch {}
        }
        _deposit(vaultId, order.from, order.amount);
    }

    function _open(Terms calldata terms) private returns (bytes32 vaultId) {
        vaultId = vaultIdOf(terms);
        VaultState storage vault = _vaults[vaultId];
        if (vault.owner != address(0)) return vaultId;
        if (
            terms.owner == address(0) || terms.voucherKey == address(0) || terms.token == address(0)
                || terms.delay == 0 || terms.delay > DELAY_MAX
        ) revert BadTerms();
        vault.owner = terms.owner;
        vault.delay = terms.delay;
        vault.voucherKey = terms.voucherKey;
        vault.number = terms.number;
        vault.token = terms.token;
        emit VaultOpened(vaultId, terms.owner, terms.token, terms.voucherKey, terms.delay, terms.number);
    }

    /// @dev `from` is the caller, or has signed for this vault and amount.
    function _deposit(bytes32 vaultId, address from, uint128 amount) private {
        address token = _vaults[vaultId].token;
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(from, address(this), amount);
        _arrived(vaultId, from, token, before, amount);
    }

    /// @dev A token that takes a fee, or lies about a transfer, is refused here (I2).
    function _arrived(bytes32 vaultId, address from, address token, uint256 before, uint128 amount) private {
        uint256 now_ = IERC20(token).balanceOf(address(this));
        uint256 arrived = now_ < before ? 0 : now_ - before;
        if (arrived != amount) revert DepositMismatch(amount, arrived);
        _vaults[vaultId].free += amount;
        emit Deposited(vaultId, from, amount);
    }

    // ---------------------------------------------------------------- lanes

    /// @inheritdoc IVault
    function reserve(bytes32 vaultId, Reservation[] calldata reservations) external {
        _reserve(vaultId, _owned(vaultId), reservations);
    }

    /// @inheritdoc IVault
    function reserveBySignature(
        bytes32 vaultId,
        Reservation[] calldata reservations,
        uint48 validBefore,
        bytes calldata signature
    ) external {
        VaultState storage vault = _known(vaultId);
        if (block.timestamp >= validBefore) revert Late(validBefore);
        _rows(reservations.length);
        bytes32 digest = _reserveDigest(vaultId, reservations, validBefore);
        if (!_signedByAccount(vault.owner, digest, signature)) revert BadSignature();
        _reserve(vaultId, vault, reservations);
    }

    function _reserve(bytes32 vaultId, VaultState storage vault, Reservation[] calldata reservations) private {
        _rows(reservations.length);
        uint128 free = vault.free;
        for (uint256 i = 0; i < reservations.length; ++i) {
            Reservation calldata row = reservations[i];
            if (row.payee == address(0) || row.payee == address(this)) revert BadReceiver(row.payee);
            bytes32 laneId = laneIdOf(vaultId, row.payee, row.number);
            Lane storage lane = _lanes[laneId];
            if (lane.closed) revert LaneIsClosed(laneId);
            if (lane.exitAt != 0) revert LaneIsExiting(laneId);
            uint128 reserved = lane.reserved;
            if (row.total <= reserved) continue;
            if (row.total > type(uint104).max) revert TooMuch(row.total, type(uint104).max);
            uint128 more = row.total - reserved;
            if (more > free) revert InsufficientFree(more, free);
            free -= more;
            if (reserved == 0) {
                lane.vaultId = vaultId;
                lane.payee = row.payee;
                lane.number = row.number;
            }
            lane.reserved = uint104(row.total);
            emit Reserved(laneId, vaultId, row.payee, row.number, row.total);
        }
        vault.free = free;
    }

    /// @inheritdoc IVault
    function exit(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        VaultState storage vault = _owned(lane.vaultId);
        if (lane.exitAt != 0) return;
        lane.exitAt = uint40(block.timestamp + vault.delay);
        emit ExitStarted(laneId, lane.exitAt);
    }

    /// @inheritdoc IVault
    function finalize(bytes32 laneId) external {
        Lane storage lane = _lane(laneId);
        if (lane.exitAt == 0 || block.timestamp < lane.exitAt) revert NotYet(lane.exitAt);
        _close(laneId, lane);
    }

    /// @inheritdoc IVault
    function release(bytes32 laneId, uint128 finalClaimed, bytes calldata signature) external {
        Lane storage lane = _lane(laneId);
        if (msg.sender != lane.payee || signature.length != 0) {
            if (!_signedBy(lane.payee, _releaseDigest(laneId, finalClaimed), signature)) revert BadSignature();
        }
        if (lane.claimed < finalClaimed) revert ClaimFirst(lane.claimed, finalClaimed);
        _close(laneId, lane);
    }

    /// @dev What is left can be no more than at the exit: an exiting lane takes no top-up.
    function _close(bytes32 laneId, Lane storage lane) private {
        uint128 rest = lane.reserved - lane.claimed;
        lane.closed = true;
        _vaults[lane.vaultId].free += rest;
        emit LaneClosed(laneId, lane.claimed, rest);
    }

    // ---------------------------------------------------------------- money out

    /// @inheritdoc IVault
    function claim(Batch[] calldata batches) external nonReentrant returns (uint256 paid) {
        uint256 first;
        for (uint256 i = 0; i < batches.length; ++i) {
            paid += _claim(batches[i], first);
            first += batches[i].rows.length;
        }
        _rows(first);
    }

    /// @dev One vault, one payee, one transfer; `first` is the place of the first row over all batches.
    function _claim(Batch calldata batch, uint256 first) private returns (uint128 due) {
        VaultState storage vault = _vaults[batch.vaultId];
        address voucherKey = vault.voucherKey;
        for (uint256 i = 0; i < batch.rows.length; ++i) {
            Claim calldata row = batch.rows[i];
            bytes32 laneId = laneIdOf(batch.vaultId, batch.payee, row.number);
            (uint128 amount, uint128 total, Refusal reason) = _settle(row, laneId, voucherKey);
            if (reason == Refusal.None) {
                due += amount;
                emit Claimed(laneId, batch.payee, amount, total, row.ref);
            } else {
                emit Refused(first + i, batch.payee == address(0) ? batch.vaultId : laneId, reason);
            }
        }
        _pay(vault.token, batch.payee, due);
    }

    /// @dev The lane's id proves vault and payee: its word of amounts is all there is to read.
    function _settle(Claim calldata row, bytes32 laneId, address voucherKey)
        private
        returns (uint128 amount, uint128 total, Refusal reason)
    {
        Lane storage lane = _lanes[laneId];
        (uint104 reserved, uint104 claimed, bool closed) = (lane.reserved, lane.claimed, lane.closed);
        if (reserved == 0) return (0, 0, Refusal.UnknownLane);
        if (closed) return (0, 0, Refusal.Closed);
        bytes32 digest;
        (total, digest, reason) = _total(row, laneId);
        if (reason != Refusal.None) return (0, 0, reason);
        if (total <= claimed) return (0, 0, Refusal.NothingNew);
        if (total > reserved) return (0, 0, Refusal.OverReserve);
        if (!_signedBy(voucherKey, digest, row.signature)) return (0, 0, Refusal.Signature);
        lane.claimed = uint104(total);
        amount = total - claimed;
    }

    /// @dev The lane's total that the row entitles to now, and what must have been signed for it.
    function _total(Claim calldata row, bytes32 laneId) private view returns (uint128 total, bytes32 digest, Refusal) {
        total = row.cumulative;
        if (row.kind == 0) return (total, _plainDigest(laneId, total, row.ref), Refusal.None);
        if (row.kind > 2 || row.condition.length != 128) return (0, 0, Refusal.Malformed);
        if (row.kind == 1) {
            Lock memory lock = abi.decode(row.condition, (Lock));
            if (lock.amount > total) return (0, 0, Refusal.Malformed);
            if (block.timestamp >= lock.expiry) return (0, 0, Refusal.Expired);
            if (sha256(abi.encode(lock.preimage)) != lock.lockHash) return (0, 0, Refusal.Preimage);
            return (total, _lockedDigest(laneId, total, lock, row.ref), Refusal.None);
        }
        Hold memory hold = abi.decode(row.condition, (Hold));
        if (hold.amount > total) return (0, 0, Refusal.Malformed);
        if (block.timestamp >= hold.expiry) return (0, 0, Refusal.Expired);
        digest = _escrowDigest(EscrowVoucher(laneId, total, hold.amount, hold.arbiter, hold.challengeEnd, hold.expiry, row.ref));
        uint256 ruling = _rulings[digest];
        if (ruling != 0) return (total - hold.amount + uint128(ruling - 1), digest, Refusal.None);
        if (block.timestamp < hold.challengeEnd) return (0, 0, Refusal.TooEarly);
        return (total, digest, Refusal.None);
    }

    /// @dev A payee that cannot receive is credited, so that it cannot hold up a batch.
    function _pay(address token, address payee, uint128 amount) private {
        if (amount == 0) return;
        if (IERC20(token).trySafeTransfer(payee, amount)) return;
        _credits[token][payee] += amount;
        emit Credited(token, payee, amount);
    }

    /// @inheritdoc IVault
    function collect(address token, address to) external nonReentrant {
        if (to == address(this)) revert BadReceiver(to);
        uint128 amount = _credits[token][msg.sender];
        if (amount == 0) revert NothingToCollect();
        _credits[token][msg.sender] = 0;
        emit Collected(token, msg.sender, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc IVault
    function withdraw(bytes32 vaultId, uint128 amount, address to) external nonReentrant {
        VaultState storage vault = _owned(vaultId);
        if (to == address(this)) revert BadReceiver(to);
        if (amount > vault.free) revert InsufficientFree(amount, vault.free);
        vault.free -= amount;
        emit Withdrawn(vaultId, to, amount);
        IERC20(vault.token).safeTransfer(to, amount);
    }

    // ---------------------------------------------------------------- escrow

    /// @inheritdoc IVault
    function rule(EscrowVoucher calldata voucher, uint128 payeeAmount, bytes calldata signature) external {
        bytes32 voucherHash = _escrowDigest(voucher);
        if (block.timestamp >= voucher.challengeEnd) revert ChallengeOver(voucher.challengeEnd);
        if (payeeAmount > voucher.amount) revert RulingTooHigh(payeeAmount, voucher.amount);
        if (!_signedBy(voucher.arbiter, _rulingDigest(voucherHash, payeeAmount), signature)) revert BadSignature();
        if (_rulings[voucherHash] != 0) revert AlreadyRuled(voucherHash);
        _rulings[voucherHash] = uint256(payeeAmount) + 1;
        emit Ruled(voucherHash, voucher.arbiter, payeeAmount);
    }

    // ---------------------------------------------------------------- reads

    /// @inheritdoc IVault
    function vaultOf(bytes32 vaultId) external view returns (VaultState memory) {
        return _vaults[vaultId];
    }

    /// @inheritdoc IVault
    function laneOf(bytes32 laneId) external view returns (Lane memory lane, VaultState memory vault) {
        lane = _lanes[laneId];
        vault = _vaults[lane.vaultId];
    }

    /// @inheritdoc IVault
    function lanesOf(bytes32[] calldata laneIds) external view returns (Lane[] memory lanes) {
        lanes = new Lane[](laneIds.length);
        for (uint256 i = 0; i < laneIds.length; ++i) lanes[i] = _lanes[laneIds[i]];
    }

    /// @inheritdoc IVault
    function creditOf(address token, address account) external view returns (uint128) {
        return _credits[token][account];
    }

    /// @inheritdoc IVault
    function rulingOf(bytes32 voucherHash) external view returns (bool ruled, uint128 payeeAmount) {
        uint256 ruling = _rulings[voucherHash];
        return ruling == 0 ? (false, uint128(0)) : (true, uint128(ruling - 1));
    }

    /// @inheritdoc IVault
    function orderUsed(bytes32 orderHash) external view returns (bool) {
        return _orders[orderHash];
    }

    // ---------------------------------------------------------------- checks

    function _known(bytes32 vaultId) private view returns (VaultState storage vault) {
        vault = _vaults[vaultId];
        if (vault.owner == address(0)) revert UnknownVault(vaultId);
    }

    function _owned(bytes32 vaultId) private view returns (VaultState storage vault) {
        vault = _known(vaultId);
        if (msg.sender != vault.owner) revert NotOwner(msg.sender, vault.owner);
    }

    function _lane(bytes32 laneId) private view returns (Lane storage lane) {
        lane = _lanes[laneId];
        if (lane.vaultId == 0) revert UnknownLane(laneId);
        if (lane.closed) revert LaneIsClosed(laneId);
    }

    function _rows(uint256 rows) private pure {
        if (rows == 0 || rows > ROWS_MAX) revert RowCount(rows, ROWS_MAX);
    }
}
